"""Long texts: others go first, the reading can be given up, and what does not fit says so."""

import numpy as np
import pytest
import torch

from headlab import HeadlabError, read_text
from headlab.measuring import reading as reading_module
from headlab.measuring.effort import effort_of_reading
from headlab.measuring.reading import read_layer
from headlab.models import kernels
from headlab.models.attention import pausing
from headlab.models.memory import enough_memory
from tests.models import gpt2_config, tiny_model

CAT = "The cat sat on the mat. The cat sat on the"


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_a_pass_pauses_in_every_layer_and_changes_nothing(model):
    heard = []
    with pausing(heard.append):
        paused = read_text(model, CAT)
    assert heard == list(range(model.n_layers))
    assert (paused.patterns == read_text(model, CAT).patterns).all()
    assert len(heard) == model.n_layers  # nobody is asked once the block has ended


def test_a_long_text_pauses_after_every_few_heads(model, monkeypatch):
    monkeypatch.setattr(kernels, "BLOCK", 1)  # a head at a time
    heard = []
    with pausing(heard.append):
        read_text(model, CAT, layers=())
    assert heard == [layer for layer in range(model.n_layers) for _ in range(model.n_heads)]


def test_another_text_may_be_read_in_the_pause_and_a_pass_may_be_given_up(model):
    alone, inside = read_text(model, CAT), []

    def read_another(layer):
        with pausing(lambda layer: None):
            inside.append(read_text(model, "Tom ran home"))

    with pausing(read_another):
        assert (read_text(model, CAT).patterns == alone.patterns).all()
    assert (inside[0].patterns == read_text(model, "Tom ran home").patterns).all()

    def give_up(layer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), pausing(give_up):
        read_text(model, CAT)
    assert (read_text(model, CAT).patterns == alone.patterns).all()


def test_one_layer_read_head_by_head_is_that_layer(model, monkeypatch):
    whole = read_text(model, CAT, values=True)
    monkeypatch.setattr(kernels, "BLOCK", 1)
    found = read_layer(model, CAT, 1)
    assert found.patterns == pytest.approx(whole.patterns[1], abs=1e-6)
    assert np.abs(found.values - whole.values[1]).max() < 1e-6


def test_a_text_longer_than_the_setting_says_by_how_much(monkeypatch):
    model = tiny_model(gpt2_config(n_positions=512))
    long = "The cat sat on the mat. " * 40
    monkeypatch.setenv("HEADLAB_MAX_TOKENS", "128")
    with pytest.raises(HeadlabError, match=r"this laboratory reads at most 128 .* shorten it by"):
        read_text(model, long)
    monkeypatch.delenv("HEADLAB_MAX_TOKENS")
    assert len(read_text(model, long, layers=()).tokens) > 128


def test_a_text_that_does_not_fit_into_memory_is_refused_before_it_is_read(model, monkeypatch):
    n = len(read_text(model, CAT, layers=()).tokens)
    needed = effort_of_reading(model, n, model.n_layers).n_bytes
    monkeypatch.setattr(reading_module, "free_memory", lambda device: needed - 1)
    with monkeypatch.context() as patch:
        patch.setattr(reading_module, "run", lambda *_: pytest.fail("it was read"))
        with pytest.raises(HeadlabError, match=f"a text of {n} tokens needs .* a shorter text"):
            read_text(model, CAT)
    read_text(model, CAT, layers=())  # keeps less, and fits


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_that_runs_out_is_a_sentence(error):
    with pytest.raises(HeadlabError, match="The memory ran out"), enough_memory():
        raise error


def test_an_allocation_that_cannot_be_is_a_sentence_and_other_errors_stay():
    with pytest.raises(HeadlabError, match="The memory ran out"), enough_memory():
        torch.empty(2**60)
    with pytest.raises(RuntimeError, match="another"), enough_memory():
        raise RuntimeError("another")


def test_a_longer_text_takes_more(model):
    short, long = effort_of_reading(model, 100), effort_of_reading(model, 1000)
    assert 0 < short.seconds < long.seconds and 99 < long.n_bytes / short.n_bytes < 101
