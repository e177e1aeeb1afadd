"""The Models page: from mini to GPT-2 with one click, and back with a sentence when it fails."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from transformers import AutoTokenizer

from headlab.evidence import verify
from headlab.evidence.published import TWO_NAMES
from headlab.evidence.verify import AGAIN
from headlab.models import download as downloads
from headlab.models import hub
from headlab.models.catalogue import CATALOGUE, offered
from tests.hub_server import Hub, running
from tests.models import as_published, gpt2_config, pickled, save_model

ROOT = Path(__file__).resolve().parents[2]
GET = "Download GPT-2 small (548 MB)"
AGAIN_BUTTON = "Measure the published figures again"


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setattr(downloads, "_DOWNLOADS", {})
    st.cache_resource.clear()
    yield
    for download in downloads._DOWNLOADS.values():
        download.cancel()
        assert download.wait(10)
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("published") / "gpt2")


@pytest.fixture
def server(published, monkeypatch):
    with running(Hub(published, CATALOGUE["gpt2"].revision)) as started:
        monkeypatch.setenv("HF_ENDPOINT", started.endpoint)
        yield started


def opened(page="pages/Models.py", **query):
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    if page != "streamlit_app.py":
        test.switch_page(page)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def press(test, label):
    (button,) = [button for button in test.button if button.label == label]
    return button.click().run()


def open_model(test):
    (line,) = [block.value for block in test.main.markdown if block.value.startswith("Now open")]
    return line


def in_cache(published):
    target = hub.settings().cache / "models--gpt2" / "snapshots" / CATALOGUE["gpt2"].revision
    shutil.copytree(published, target)
    return target


def test_the_catalogue_and_what_is_here():
    test = opened()
    assert not test.exception and not test.error
    table = test.dataframe[0].value.set_index("model")
    assert list(table.index) == [entry.title for entry in CATALOGUE.values()]
    assert list(table[table["on this machine"]].index) == ["mini, the sandbox"]
    assert any(CATALOGUE["gpt2"].revision in block.value for block in test.main.caption)
    assert "mini" in open_model(test) and "CPU in float32" in open_model(test)


def test_one_click_downloads_and_opens_gpt2(server):
    server.speed = 300_000
    test = press(opened(), GET)
    assert downloads.latest_download("gpt2").running
    assert "mini" in open_model(test) and not test.error
    assert [button.label for button in test.main.button] == ["Stop the download"]
    assert downloads.latest_download("gpt2").wait(30)
    test.run()
    assert not test.error and not test.exception
    assert "GPT-2 small" in open_model(test) and test.query_params["model"] == "gpt2"
    assert any("GPT-2 small" in block.value for block in test.sidebar.markdown)
    assert not any("not GPT-2" in block.value for block in test.sidebar.caption)


def test_a_download_is_stopped_and_taken_up_again(server):
    server.speed = 50_000
    test = press(opened(), GET)
    press(test, "Stop the download")
    assert downloads.latest_download("gpt2").wait(10)
    test.run()
    assert "was stopped" in test.error[0].value and "mini" in open_model(test)
    server.speed = None
    press(test, GET)
    assert downloads.latest_download("gpt2").wait(30)
    assert "GPT-2 small" in open_model(test.run())


def test_a_second_learner_sees_the_same_download(server):
    server.speed = 100_000
    press(opened(), GET)
    second = opened()
    assert [button.label for button in second.main.button] == ["Stop the download"]
    layers = opened("pages/Layers.py", text="alice")
    assert not layers.error and any("mini" in block.value for block in layers.sidebar.markdown)


@pytest.mark.parametrize(("fault", "words"), [("500", "error 500"), ("wrong hash", "damaged")])
def test_a_fault_is_a_sentence_and_mini_stays(server, fault, words):
    server.fault = fault
    test = press(opened(), GET)
    assert downloads.latest_download("gpt2").wait(30)
    test.run()
    assert words in test.error[0].value and "mini" in open_model(test)
    assert not opened("pages/Rankings.py").error


def test_gpt2_in_the_cache_is_the_model_at_start_without_a_request(published, monkeypatch):
    in_cache(published)

    def forbidden(self, address, *rest):
        raise AssertionError(f"a request to {address}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    test = opened("streamlit_app.py")
    assert not test.error and not test.exception
    assert any("GPT-2 small" in block.value for block in test.sidebar.markdown)
    test = opened("pages/Layers.py", text="alice")
    assert not test.error and test.query_params["model"] == "gpt2"
    assert "GPT-2 small" in open_model(opened())


def test_a_damaged_gpt2_in_the_cache_leaves_mini_and_is_mended(published, server):
    weights = in_cache(published) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    test = opened()
    assert "models --download gpt2" in test.warning[0].value
    assert "Meanwhile mini is shown." in test.warning[0].value and "mini" in open_model(test)
    press(test, "Check the files and mend them")
    assert downloads.latest_download("gpt2").wait(30)
    assert "GPT-2 small" in open_model(test.run())


def test_an_address_with_a_model_that_is_not_downloaded_shows_mini():
    test = opened("pages/Layers.py", model="gpt2-large", text="alice")
    assert "gpt2-large is not on this machine" in test.warning[0].value
    assert not test.error and test.query_params["model"] == "mini"


def test_a_folder_is_opened_and_then_known(published, tmp_path):
    folder = shutil.copytree(published, tmp_path / "fine-tuned")
    address = str(folder)
    test = opened("pages/Layers.py", model=address)
    assert "a model that is not here" in test.warning[0].value
    test = opened()
    test.selectbox(key="model_name").set_value("another").run()
    test.text_input(key="model_other").set_value(address).run()
    press(test, f"Open {address}")
    assert "fine-tuned" in open_model(test) and not test.error
    layers = opened("pages/Layers.py", model=address, text="alice")
    assert not layers.warning and layers.query_params["model"] == address


def test_a_pickle_is_opened_with_a_word_about_it(published, tmp_path):
    address = str(pickled(shutil.copytree(published, tmp_path / "pickled")))
    test = opened()
    test.selectbox(key="model_name").set_value("another").run()
    test.text_input(key="model_other").set_value(address).run()
    press(test, f"Open {address}")
    assert "pickle" in test.info[0].value


@pytest.mark.parametrize("typed", ["/no/such/folder", "mino", "a/b/c", "<b>", "~", "\x00"])
def test_what_is_neither_folder_nor_name_gets_a_sentence(typed):
    test = opened()
    test.selectbox(key="model_name").set_value("another").run()
    test.text_input(key="model_other").set_value(typed).run()
    if typed == "~":
        press(test, "Open ~")
    assert len(test.error) == 1 and not test.exception
    assert "mini" in open_model(opened())


def test_a_public_server_offers_its_catalogue_only(monkeypatch, published):
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    test = opened()
    assert len(test.selectbox(key="model_name").options) == len(offered()) < len(CATALOGUE)
    assert not any("Another" in option for option in test.selectbox(key="model_name").options)
    test = opened(model="gpt2-xl")
    assert "this public server gives" in test.warning[0].value
    assert "not here" in opened(model=str(published)).warning[0].value


@pytest.fixture
def as_small(published, monkeypatch):
    """A tiny GPT-2 in the cache passes for GPT-2 small; a test says what is measured on it."""
    in_cache(published)
    monkeypatch.setattr(verify, "SHAPE", {"model_type": "gpt2", "n_layer": 3, "n_head": 4})
    measured, calls = as_published(), []

    def measure_again(model, progress):
        progress(0.5, "an input, about 7 s left")
        calls.append(model.name)
        return measured

    monkeypatch.setattr(verify, "measure_again", measure_again)
    return measured, calls


def comparisons(test):
    """The tables of ours beside theirs, by measurement."""
    tables = [frame.value for frame in test.dataframe if "published" in frame.value.columns]
    return dict(zip((m.name for m in AGAIN), tables, strict=True))


def test_the_published_figures_are_measured_again_on_gpt2_small(as_small):
    _, calls = as_small
    test = opened()
    assert not calls and not test.success
    press(test, AGAIN_BUTTON)
    assert not test.error and not test.exception and not test.warning
    assert "34 of 34 published figures agree with GPT-2 small" in test.success[0].value
    words = "".join(block.value for block in [*test.main.markdown, *test.main.caption])
    for m, table in zip(AGAIN, comparisons(test).values(), strict=True):
        assert m.title in words and m.source in words and m.input.words in words
        assert list(table["ours"]) == list(table["published"]) == list(m.values.values())
        assert set(table["tolerance"]) == {m.tolerance} and set(table["verdict"]) == {"agrees"}
    assert opened().success and calls == ["gpt2"]  # another learner sees the same


@pytest.mark.parametrize("ours", [0.2, np.nan])
def test_a_figure_that_differs_is_named(as_small, ours):
    measured, _ = as_small
    measured["induction"][5, 5] = ours
    test = press(opened(), AGAIN_BUTTON)
    assert not test.success and not test.error
    assert "33 of 34" in test.warning[0].value
    assert "Induction on repeated random tokens (L5.H5)." in test.warning[0].value
    table = comparisons(test)["induction"].set_index("head")["verdict"]
    assert list(table[table == "differs"].index) == ["L5.H5"]


def test_random_weights_of_its_shape_are_measured_and_differ(tmp_path, monkeypatch):
    """The whole way, nothing put in place of the measuring."""
    shape = {"n_layer": 12, "n_head": 12, "n_embd": 48, "vocab_size": 20_000}
    folder = save_model(tmp_path / "random", gpt2_config(**shape, n_positions=200))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([question.answer for question in TWO_NAMES.asked])
    tokenizer.save_pretrained(folder)
    in_cache(folder)
    monkeypatch.setattr(verify, "SHAPE", shape)
    test = press(opened(), AGAIN_BUTTON)
    assert not test.error and not test.exception
    assert "Induction on repeated random tokens (L5.H5, L6.H9" in test.warning[0].value
    assert all(np.isfinite(table["ours"]).all() for table in comparisons(test).values())


def test_on_another_model_there_is_nothing_to_compare(published):
    in_cache(published)  # its name alone does not make it GPT-2 small
    for name in ("mini", "gpt2"):
        test = opened(model=name)
        assert any(f"nothing to compare {name} with" in b.value for b in test.main.markdown)
        assert AGAIN_BUTTON not in [button.label for button in test.main.button]
