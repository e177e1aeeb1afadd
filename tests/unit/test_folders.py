"""Folders as people have them: opened, with a word where something was looked past; or why not."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from headlab import HeadlabError, compare_profiles, load_model, profile_model, read_text
from headlab.models import adapters
from tests.models import gpt2_config, save_model
from tests.unit.test_loading import refused

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
TEXT = "The cat sat on the mat. The cat"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("folders") / "tiny", gpt2_config())


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


@pytest.fixture(scope="module")
def expected(saved):
    return read_text(load_model(saved), TEXT).patterns


def opens(folder, expected, notice=""):
    model = load_model(folder)
    np.testing.assert_array_equal(read_text(model, TEXT).patterns, expected)
    assert notice in model.notice if notice else model.notice == ""
    return model


def change(folder, **facts):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("how", ["eager", "sdpa", "flash_attention_2", "flex_attention"])
def test_a_configuration_that_asks_for_another_attention(folder, expected, key, how):
    change(folder, **{key: how})
    opens(folder, expected)


@pytest.mark.parametrize("before", ["_orig_mod.", "module.", "module._orig_mod."])
def test_weights_saved_from_a_wrapped_network(folder, expected, before):
    path = folder / "model.safetensors"
    save_file({before + name: t for name, t in load_file(path).items()}, path, {"format": "pt"})
    opens(folder, expected)


def test_a_checkpoint_of_a_training_run(folder, expected, tmp_path):
    step = tmp_path / "checkpoint-500"
    folder.rename(step)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (step / name).exists():
            shutil.move(step / name, tmp_path / name)
    (step / "trainer_state.json").write_text("{}")
    (step / "optimizer.pt").write_bytes(b"not looked at")
    opens(step, expected, f"tokenizer was taken from {tmp_path}")


def test_a_tokenizer_from_the_model_that_it_began_with(folder, saved, expected):
    for path in folder.glob("*token*"):
        path.unlink()
    refused(folder, "The tokenizer in")
    change(folder, _name_or_path=str(saved))
    opens(folder, expected, f"tokenizer was taken from {saved}")


def test_a_padding_token_that_the_model_lacks(folder, expected):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    model = opens(folder, expected, "never used: [PAD]")
    assert "[PAD]" in read_text(model, "The [PAD] cat").text  # as letters
    tokenizer.add_tokens(["new-word"])
    tokenizer.save_pretrained(folder)
    refused(folder, "does not fit the model")


def test_more_rows_than_tokens(tmp_path):
    model = load_model(save_model(tmp_path / "padded", gpt2_config(vocab_size=768)))
    assert read_text(model, TEXT).n_layers == 3 and model.notice == ""


def test_a_folder_with_a_name_of_the_catalogue(folder, expected, tmp_path, monkeypatch):
    folder.rename(tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)
    opens("./gpt2", expected)


@pytest.mark.parametrize("around", ["'{}'", '"{}"', " {} ", " '{}'\n"])
def test_a_path_that_was_copied_with_its_quotes(folder, expected, around):
    opens(around.format(folder), expected)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "with the package bitsandbytes"),
        ({"quant_method": "gptq", "bits": 4}, "with the package gptqmodel"),
        ({"quant_method": "tomorrow"}, "quantised (tomorrow)"),
    ],
)
def test_packed_weights(folder, facts, words):
    change(folder, quantization_config=facts)
    refused(folder, words)


def test_weights_that_this_user_may_not_read(folder, monkeypatch):
    may = os.access
    monkeypatch.setattr(
        os, "access", lambda path, how: Path(path).suffix != ".safetensors" and may(path, how)
    )
    refused(folder, "may not read")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_pointer_in_place_of_a_file(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")
    refused(folder, "git lfs pull")


def test_a_shard_that_is_not_there(folder):
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="60KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    load_model(folder)
    shards[1].unlink()
    refused(folder, f"lacks 1 of its {len(shards)} weight files ({shards[1].name})")


# -- adapters


@pytest.fixture(scope="module")
def adapter(saved, tmp_path_factory):
    """A LoRA on the saved model, and the weights with it merged by hand."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_pretrained(saved, attn_implementation="eager")
    config = LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True, task_type="CAUSAL_LM")
    adapted = get_peft_model(network, config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora" in name:
                weight.copy_(torch.randn(weight.shape))
    folder = tmp_path_factory.mktemp("adapter") / "lora"
    adapted.save_pretrained(folder)
    state = {name: weight.clone() for name, weight in network.state_dict().items()}
    part = "transformer.h.0.attn.c_attn"
    (a,), (b,) = ([w for n, w in state.items() if f"h.0.attn.c_attn.lora_{x}" in n] for x in "AB")
    by_hand = state[f"{part}.base_layer.weight"] + (b @ a).T * (8 / 2)
    return folder, part, by_hand


def test_an_adapter_is_merged_into_its_model(adapter, saved, expected):
    folder, part, by_hand = adapter
    model = load_model(folder)
    assert model.name == "lora" and model.notice == "An adapter on tiny, merged into it."
    weight = model.network.get_submodule(part).weight
    torch.testing.assert_close(weight, by_hand, atol=1e-5, rtol=1e-5)
    assert np.abs(read_text(model, TEXT).patterns - expected).max() > 1e-3
    assert model.interventions
    before, after = (
        profile_model(each, variants=False, controls=0, cache=False)
        for each in (load_model(saved), model)
    )
    assert "apart" not in " ".join(compare_profiles(before, after).cautions)


def test_an_adapter_without_its_model_or_its_weights(adapter, tmp_path):
    folder = shutil.copytree(adapter[0], tmp_path / "alone")
    facts = json.loads((folder / adapters.FACTS).read_text())
    facts["base_model_name_or_path"] = "someone/large"
    (folder / adapters.FACTS).write_text(json.dumps(facts))
    refused(folder, "models --download someone/large")
    (folder / adapters.FACTS).write_text("{}")
    refused(folder, "does not name the model")
    (folder / adapters.WEIGHTS).unlink()
    refused(folder, f"has no {adapters.WEIGHTS}")


def test_an_adapter_that_does_not_fit(adapter, tmp_path):
    folder = shutil.copytree(adapter[0], tmp_path / "other")
    path = folder / adapters.WEIGHTS
    save_file({n: t[:, :1].contiguous() for n, t in load_file(path).items()}, path)
    refused(folder, "does not fit the model")


def test_an_adapter_beside_a_model_is_never_passed_over_in_silence(
    adapter, folder, expected, monkeypatch
):
    for name in (adapters.FACTS, adapters.WEIGHTS):
        shutil.copy(adapter[0] / name, folder / name)
    model = load_model(folder)
    assert "merged into them" in model.notice
    torch.testing.assert_close(
        model.network.get_submodule(adapter[1]).weight, adapter[2], atol=1e-5, rtol=1e-5
    )
    monkeypatch.setattr(adapters, "can_merge", lambda: False)
    monkeypatch.setattr("headlab.models.loading.can_merge", lambda: False)
    opens(folder, expected, "was left out")


def test_without_the_package_it_is_named(adapter, monkeypatch):
    monkeypatch.setattr(adapters, "can_merge", lambda: False)
    refused(adapter[0], "headlab[peft]")


# -- GGUF


def test_a_gguf_file_opens_by_its_path(tmp_path, monkeypatch):
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF, but no more than that")
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path / "cache"))
    for way in (path, tmp_path):
        with pytest.raises(HeadlabError, match=r"some\.gguf"):
            load_model(way)
