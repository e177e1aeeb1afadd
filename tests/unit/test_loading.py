"""A folder becomes a model, or one sentence says why not."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch

from headlab import HeadlabError, load_model, read_text
from headlab.models import loading
from tests.models import (
    START,
    configurations,
    gpt2_config,
    pickled,
    save_model,
    tiny_model,
    tiny_tokenizer,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(saved, tmp_path / "copy")


def refused(folder, words, **options):
    with pytest.raises(HeadlabError) as error:
        load_model(folder, **options)
    sentence = str(error.value)
    assert words in sentence
    assert "\n" not in sentence and sentence.endswith(".") and sentence.count(". ") <= 2
    return sentence


def test_a_saved_folder_is_loaded(saved):
    model = load_model(saved, device="cpu")
    assert (model.name, model.n_layers, model.n_heads, model.max_tokens) == ("tiny", 3, 4, 128)
    assert model.start_token == 0 and model.device.type == "cpu"
    assert model.network.dtype == torch.float32 and not model.network.training
    assert load_model(str(saved)).content_hash == model.content_hash


@pytest.mark.parametrize("kind", ["gpt_neox", "gpt_neo", "opt", "qwen2", "llama", "mistral"])
def test_every_architecture_is_loaded_and_read(kind, tmp_path):
    model = load_model(save_model(tmp_path / kind, configurations()[kind]), device="cpu")
    reading = read_text(model, "The cat sat on the mat.")
    assert reading.patterns.shape[:2] == (3, 4)
    assert abs(reading.patterns.sum(-1) - 1).max() < 1e-5
    assert model.interventions == (kind != "gpt_neo")
    assert model.with_random_weights(1).network.config.model_type == kind


def test_the_stored_type_can_be_chosen(saved):
    assert load_model(saved, device="cpu", dtype="bfloat16").network.dtype == torch.bfloat16
    for wrong in ("float7", "int8", "nn"):
        refused(saved, f"{wrong!r} is no dtype", dtype=wrong)


@pytest.mark.parametrize(
    ("cuda", "mps", "device", "dtype"),
    [
        (True, True, "cuda", torch.bfloat16),
        (False, True, "mps", torch.bfloat16),
        (False, False, "cpu", torch.float32),
    ],
)
def test_the_device_chooses_itself_and_the_type_with_it(monkeypatch, cuda, mps, device, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    chosen = loading._device("auto")
    assert chosen.type == device
    assert loading._dtype("auto", chosen, gpt2_config(dtype="bfloat16")) == dtype
    assert loading._dtype("auto", chosen, gpt2_config()) == torch.float32  # none is stored


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "", "gpu"])
def test_a_device_that_is_not_there(saved, device):
    refused(saved, f"The device {device!r} cannot be used", device=device)


@pytest.mark.parametrize("name", ["mino", "min", "Mini"])
def test_an_unknown_model_is_answered_with_the_nearest(name):
    refused(name, f"Unknown model '{name}'. Did you mean 'mini'?")


def test_an_unknown_model_without_a_neighbour_lists_what_there_is():
    assert "Did you mean" not in refused("zzzzzz", "Available: mini")


@pytest.mark.parametrize("path", ["no/such/folder", "./nothing", "~/no-such-folder-here"])
def test_a_folder_that_does_not_exist(path):
    refused(path, "There is no folder")


def test_a_relative_folder_that_looks_like_a_name_of_the_hub(saved, tmp_path, monkeypatch):
    shutil.copytree(saved, tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    assert load_model("models/mine", device="cpu").name == "mine"


def test_a_folder_that_is_no_model(tmp_path):
    refused(tmp_path, "has no config.json")


def test_a_file_is_no_folder(saved):
    refused(saved / "config.json", "There is no folder")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"model_type": "nobody-knows"}', "null"])
def test_a_configuration_that_describes_no_model(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder, "does not describe a model that transformers knows")


def test_an_architecture_that_is_not_tested(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    refused(folder, "type vit are no causal language models")


def test_code_in_a_folder_is_never_run(folder, tmp_path):
    ran = tmp_path / "ran"
    (folder / "evil.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nclass C: pass\nclass M: pass"
    )
    config = json.loads((folder / "config.json").read_text())
    config |= {"auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    load_model(folder, device="cpu")
    config["model_type"] = "evil"
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "does not describe a model")
    assert not ran.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\xff" * 64 + data,
        lambda data: data[:8] + b"not json" + data[16:],
        lambda data: b"<html>404</html>",
    ],
)
def test_corrupt_weights(folder, spoil):
    weights = folder / "model.safetensors"
    weights.write_bytes(spoil(weights.read_bytes()))
    refused(folder, "cannot be read (damaged, incomplete")


def test_a_pickle_of_numbers_is_opened_and_said(saved, folder):
    model = load_model(pickled(folder), device="cpu")
    assert "pickle" in model.notice and load_model(saved).notice == ""
    assert model.content_hash == load_model(saved, device="cpu").content_hash


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_that_runs_something_is_not_opened(folder, tmp_path):
    pickled(folder)
    torch.save({"evil": Evil(tmp_path / "ran")}, folder / "pytorch_model.bin")
    refused(folder, "holds more than numbers")
    assert not (tmp_path / "ran").exists()


def test_no_weights_at_all(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, "has no safetensors weights")


def test_a_public_server_opens_its_catalogue_and_nothing_else(folder, monkeypatch):
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    assert load_model("mini").name == "mini"
    for name in (folder, "someone/something", "mino"):
        refused(name, "only the models of its catalogue")
    refused("gpt2-xl", "needs 6.2 GB of memory and this public server gives 2.0 GB")
    refused("facebook/opt-125m", "published as a pickle")
    refused("gpt2", "gpt2 is not on this machine")


def test_a_public_server_refuses_a_pickle_in_the_cache(folder, monkeypatch):
    pickled(folder)
    monkeypatch.setattr("headlab.models.loading.find_model", lambda _: folder)
    load_model("gpt2")
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    refused("gpt2", "this public server does not open")


@pytest.mark.parametrize("name", ["gpt2", "someone/something", "EleutherAI/pythia-70m"])
def test_a_model_that_is_not_downloaded(name):
    refused(name, f"{name} is not on this machine")


def test_memory_is_asked_before_loading(saved, monkeypatch):
    from headlab.models import memory
    from headlab.units import gigabytes

    needed = memory.needed_memory(load_model(saved).network.config, torch.float32)
    assert needed == 4 * sum(p.numel() for p in load_model(saved).network.parameters())
    monkeypatch.setattr(loading, "free_memory", lambda _: needed - 1)
    refused(saved, f"of memory and {gigabytes(needed - 1)} are free")
    assert load_model(saved, dtype="bfloat16", device="cpu").network.dtype == torch.bfloat16
    monkeypatch.setattr(loading, "free_memory", lambda _: None)
    load_model(saved)
    with pytest.raises(HeadlabError, match=r"gpt2-xl needs 6.2 GB of memory and 3.1 GB are free"):
        memory.check_memory("gpt2-xl", 6_230_444_800, 3_100_000_000)


def _denied():
    raise PermissionError


def test_free_memory_is_asked_of_the_system_and_of_the_container(tmp_path, monkeypatch):
    from headlab.models import memory

    free = memory.free_memory(torch.device("cpu"))
    assert free is not None and 10**7 < free < 10**14
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=5))
    assert memory.free_memory(torch.device("cpu")) == 5
    monkeypatch.setattr(memory.psutil, "virtual_memory", _denied)
    assert memory._free_on_machine() is None and memory.used_memory() > 10**6
    assert memory._free_in_container(tmp_path) is None
    for name, text in {
        "max": "5000",
        "current": "3000",
        "stat": "anon 1\ninactive_file 500",
    }.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory._free_in_container(tmp_path) == 2500
    (tmp_path / "memory.max").write_text("max")
    assert memory._free_in_container(tmp_path) is None
    monkeypatch.setattr(memory, "_free_in_container", lambda: 7)
    assert memory.free_memory(torch.device("cpu")) == 7


def test_missing_weights(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "h.1.attn.c_attn" not in name}
    assert len(kept) == len(weights) - 2
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert "c_attn" in refused(folder, "do not fit config.json (2 parameters")


def test_weights_of_another_shape(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_embd": 64}))
    refused(folder, "of another shape")


def test_a_tokenizer_that_is_not_there(folder):
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).unlink()
    refused(folder, "tokenizer in")


@pytest.mark.parametrize("text", ["{", "[]", '{"model": 3}'])
def test_a_tokenizer_that_is_damaged(folder, text):
    (folder / "tokenizer.json").write_text(text)
    refused(folder, "The tokenizer in")


def test_a_tokenizer_that_does_not_fit(folder):
    tiny_tokenizer(vocabulary=800).save_pretrained(folder)
    refused(folder, "does not fit the model (it has 800 tokens, the model 700)")


def test_the_hash_follows_the_content(saved, tmp_path):
    model = load_model(saved, device="cpu")
    moved = load_model(shutil.copytree(saved, tmp_path / "elsewhere"), device="cpu")
    assert moved.content_hash == model.content_hash and moved.name == "elsewhere"
    other = load_model(saved, device="cpu")
    with torch.no_grad():
        other.network.transformer.h[2].ln_1.bias[3] += 1e-3
    assert other.content_hash != model.content_hash
    assert tiny_model(seed=1).content_hash != tiny_model(seed=0).content_hash


def test_random_weights_keep_the_shape_and_are_seeded():
    model = tiny_model()
    before = torch.random.get_rng_state()
    one, again, other = (model.with_random_weights(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.content_hash == again.content_hash != other.content_hash
    assert one.content_hash != model.content_hash
    assert (one.n_layers, one.n_heads, one.folder) == (3, 4, None)
    assert "random weights" in one.name
    assert read_text(one, "The cat sat on the mat.").patterns.shape[:2] == (3, 4)


def test_ordinary_tokens_are_words_of_three_letters_and_more():
    model = tiny_model()
    words = model.ordinary_tokens
    texts = [model.tokenizer.decode([token]) for token in words]
    assert len(words) > 50 and " the" in texts
    for text in texts:
        assert text[0] == " " and len(text) > 3 and text[1:].isalpha() and text.isascii()
    assert START not in texts


def test_short_prompts_are_padded_at_the_end():
    batch = tiny_model().as_batch([[5, 6, 7], [8]])
    assert batch.tolist() == [[5, 6, 7], [8, 0, 0]]


def test_opening_a_model_leaves_transformers_as_its_user_set_it(monkeypatch, capfd):
    from transformers.utils import logging

    bars = []

    def hook(factory, arguments, named):
        bars.append(named)
        return factory(*arguments, **named)

    verbosity, before = logging.get_verbosity(), logging.set_tqdm_hook(hook)
    shown = logging.is_progress_bar_enabled()
    try:
        logging.set_verbosity_info()
        load_model("mini")
        assert capfd.readouterr().err == ""
        assert bars == []  # none of ours went through the user's hook
        assert logging.get_verbosity() == logging.INFO
        assert logging.set_tqdm_hook(before) is hook
        assert logging.is_progress_bar_enabled() == shown
    finally:
        logging.set_verbosity(verbosity)
        logging.set_tqdm_hook(before)


def test_two_threads_that_open_models_leave_it_so_too():
    from transformers.utils import logging

    from headlab.models.quiet import quiet_transformers

    found = logging.get_verbosity()
    first, second = quiet_transformers(), quiet_transformers()
    first.__enter__()
    second.__enter__()
    assert logging.get_verbosity() == logging.ERROR
    first.__exit__(None, None, None)
    assert logging.get_verbosity() == logging.ERROR
    second.__exit__(None, None, None)
    assert logging.get_verbosity() == found
    previous = logging.set_tqdm_hook(None)
    assert previous is None


def test_the_same_weights_are_one_model_in_every_type(saved):
    """A GPU opens them as they are stored, a CPU as float32."""
    half, whole = (load_model(saved, device="cpu", dtype="bfloat16") for _ in range(2))
    whole.network.float()
    assert half.network.dtype != whole.network.dtype
    assert half.content_hash == whole.content_hash


def test_a_tokenizer_that_reads_otherwise_makes_another_model(saved, tmp_path):
    """The same vocabulary with other merges, or another normaliser, cuts other tokens."""
    model = load_model(saved, device="cpu")
    file = saved / "tokenizer.json"
    for part, changed in (
        ("model", lambda given: given | {"merges": given["merges"][:50]}),
        ("normalizer", lambda _: {"type": "Lowercase"}),
    ):
        folder = shutil.copytree(saved, tmp_path / part)
        facts = json.loads(file.read_text(encoding="utf-8"))
        facts[part] = changed(facts[part])
        (folder / "tokenizer.json").write_text(json.dumps(facts), encoding="utf-8")
        other = load_model(folder, device="cpu")
        assert other.tokenizer.get_vocab() == model.tokenizer.get_vocab()
        assert other.content_hash != model.content_hash


def test_what_was_tokenised_last_is_no_part_of_a_model(saved):
    model, used = (load_model(saved, device="cpu") for _ in range(2))
    used.tokenizer("a longer text", padding=False, truncation=True, max_length=3)
    assert used.content_hash == model.content_hash
