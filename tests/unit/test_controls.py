"""What random weights show belongs to a shape: measured once, kept, used by every such model."""

import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from headlab import profile_model
from headlab.measuring.probes import probe_prompts
from headlab.models.loading import load_model
from headlab.places import cache_folder
from headlab.profiles import profiling
from headlab.profiles.controls import controls_key
from headlab.profiles.kept import kept_profile
from tests.models import gpt2_config, save_model, tiny_model


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path / "cache"))
    return load_model(save_model(tmp_path / "one", gpt2_config()))


def profiled(model, **changes):
    return profile_model(model, variants=False, controls=2, **changes)


@pytest.fixture
def counted(monkeypatch):
    """The names of the networks that are measured."""
    names, measure = [], profiling.measure

    def listen(network, *arguments):
        names.append(network.name)
        return measure(network, *arguments)

    monkeypatch.setattr(profiling, "measure", listen)
    return names


def alike(ours, theirs):
    """Whether two profiles say the same of random weights."""
    assert ours.false_positives == theirs.false_positives and ours.controls == theirs.controls
    for name, figure in theirs.looks.random.items():
        np.testing.assert_allclose(ours.looks.random[name], figure, atol=1e-5)


def test_another_model_of_the_shape_finds_them_ready(model, tmp_path, counted):
    first = profiled(model)
    assert sum("random weights" in name for name in counted) == 2
    folder = save_model(tmp_path / "two", gpt2_config())
    weights = load_file(folder / "model.safetensors")
    changed = {name: 1.5 * weight for name, weight in weights.items()}
    save_file(changed, folder / "model.safetensors", {"format": "pt"})
    other = load_model(folder)
    assert other.content_hash != model.content_hash and other.shape_hash == model.shape_hash
    counted.clear()
    found = profiled(other)
    assert not any("random weights" in name for name in counted)
    assert found.false_positives == first.false_positives
    alike(found, profiled(other, cache=False))


def test_they_belong_to_the_start_token_and_the_shape(model, tmp_path, counted):
    profiled(model)
    for again in (
        lambda: profiled(model, start_token=None),
        lambda: profiled(load_model(save_model(tmp_path / "deep", gpt2_config(n_layer=4)))),
    ):
        counted.clear()
        again()
        assert sum("random weights" in name for name in counted) == 2


def test_they_belong_to_how_a_network_computes_and_to_the_tokens_it_reads(model):
    shape = model.shape_hash
    said = {"n_ctx": 128, "task_specific_params": {"text-generation": {"max_length": 50}}}
    published = tiny_model(
        gpt2_config(**said, attn_pdrop=0.3, summary_type="first", eos_token_id=1)
    )
    assert published.shape_hash == shape
    assert tiny_model(gpt2_config(layer_norm_epsilon=1e-3)).shape_hash != shape
    prompts = probe_prompts(model, 0)
    key = controls_key(model, prompts, [])
    assert controls_key(published, probe_prompts(published, 0), []) == key
    assert controls_key(model, prompts | {"facts": prompts["facts"][1:]}, []) != key


def test_those_of_the_models_that_headlab_knows_come_with_it(monkeypatch, tmp_path, counted):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))
    mini = load_model("mini")
    monkeypatch.setattr(profiling, "kept", lambda *given: None)
    found = profile_model(mini, variants=False)
    assert not any("random weights" in name for name in counted)
    shipped = kept_profile(mini)
    assert found.false_positives == shipped.false_positives and found.controls == shipped.controls


def test_a_damaged_file_counts_as_none(model, counted):
    profiled(model)
    (file,) = (cache_folder() / "controls").iterdir()
    shutil.rmtree(cache_folder() / "profiles")
    file.write_bytes(file.read_bytes()[:200])
    counted.clear()
    profiled(model)
    assert sum("random weights" in name for name in counted) == 2


def test_nothing_is_kept_of_what_is_measured_anew(model):
    profiled(model, cache=False)
    assert not (cache_folder() / "controls").exists()
