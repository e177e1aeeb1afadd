"""Downloads come whole or not at all, go on where they broke off, and fail with a sentence."""

import errno
import os
import shutil
import socket
import time
from pathlib import Path

import filelock
import pytest
from huggingface_hub import close_session

from headlab import HeadlabError, load_model, read_text
from headlab.models import download as downloads
from headlab.models import hub
from headlab.models.catalogue import CATALOGUE
from tests.hub_server import Hub, running
from tests.models import pickled, save_model

PINNED = CATALOGUE["gpt2"].revision


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("published") / "gpt2")


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """An empty cache, no waiting between attempts, and nothing left from the test before."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.5")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost,invalid")
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    yield
    for download in downloads._DOWNLOADS.values():
        download.cancel()
        assert download.wait(10)
    downloads._DOWNLOADS.clear()


@pytest.fixture
def server(published, monkeypatch):
    with running(Hub(published, PINNED)) as started:
        monkeypatch.setenv("HF_ENDPOINT", started.endpoint)
        yield started


def ended(name="gpt2"):
    download = downloads.start_download(name)
    assert download.wait(30)
    return download


def good(name="gpt2"):
    """Download, and read a text with what came."""
    download = ended(name)
    assert download.error is None and download.done == download.total > 0
    model = load_model(name, device="cpu")
    assert model.name == name
    assert read_text(model, "The cat sat on the mat.").patterns.shape[:2] == (3, 4)
    return download


def failed(*words, name="gpt2"):
    """Download, and check that it fails with one sentence and leaves nothing that is used."""
    sentence = ended(name).error
    assert sentence is not None
    for word in words:
        assert word in sentence
    assert "\n" not in sentence and sentence.endswith(".") and ": " in sentence
    assert hub.find_model(name) is None
    with pytest.raises(HeadlabError, match="is not on this machine"):
        load_model(name)
    assert load_model("mini").name == "mini"


def parts():
    return list(hub.settings().cache.rglob("*.incomplete"))


def wait_for_weights():
    """Until the first bytes of the weights are on the disk."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if any("safetensors" in part.name and part.stat().st_size for part in parts()):
            return
        time.sleep(0.02)  # a file tells nobody that it grows
    raise AssertionError("the weights did not begin to arrive")


def test_a_model_is_downloaded_and_found(server):
    assert hub.find_model("gpt2") is None and hub.default_model() == "mini"
    download = good()
    assert hub.find_model("gpt2") == download.folder and download.folder.name == PINNED
    assert hub.default_model() == "gpt2"
    assert not parts() and not any("README" in path for path in server.asked)
    assert {path.name for path in download.folder.iterdir()} == set(server.files) - {"README.md"}


def test_what_is_there_is_checked_and_not_fetched_again(server):
    good()
    server.asked.clear()
    good()
    assert server.asked == [f"/api/models/gpt2/revision/{PINNED}"]


def test_a_model_that_is_here_needs_no_request(server, monkeypatch):
    good()

    def forbidden(*_, **__):
        raise AssertionError("a request was made")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    assert hub.default_model() == "gpt2"
    read_text(load_model(hub.default_model()), "The cat sat on the mat.")


def test_another_program_s_download_is_found_under_either_name(published, tmp_path):
    cache = hub.settings().cache
    for repository in ("models--gpt2", "models--openai-community--gpt2"):
        commit = "0123456789" * 4
        snapshot = cache / repository / "snapshots" / commit
        shutil.copytree(published, snapshot)
        assert hub.find_model("gpt2") is None
        (cache / repository / "refs").mkdir()
        (cache / repository / "refs" / "main").write_text(commit)
        assert hub.find_model("gpt2") == snapshot
        shutil.rmtree(cache)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_model_is_not_here(server, missing):
    (good().folder / missing).unlink()
    assert hub.find_model("gpt2") is None
    good()


def test_another_name_of_the_hub(published, monkeypatch):
    with running(Hub(published, "a" * 40, name="someone/fine-tuned")) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        good("someone/fine-tuned")
        assert hub.find_model("someone/fine-tuned").name == "a" * 40


@pytest.mark.parametrize("name", ["mino", "a/b/c", "../etc", "a/..", "https://x/y", ""])
def test_a_name_that_is_no_repository(name):
    with pytest.raises(HeadlabError, match="write it as owner/name"):
        downloads.start_download(name)


def test_mini_needs_no_download():
    with pytest.raises(HeadlabError, match="ships with headlab"):
        downloads.start_download("mini")


def test_a_public_server_downloads_from_its_catalogue_only(monkeypatch):
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    for name in ("someone/something", "gpt2-xl", "facebook/opt-125m"):
        with pytest.raises(HeadlabError, match="public server"):
            downloads.start_download(name)


def test_two_learners_cause_one_download(server):
    server.speed = 400_000
    first, second = downloads.start_download("gpt2"), downloads.start_download("gpt2")
    assert first is second and first.running
    assert load_model("mini").name == "mini"  # usable meanwhile
    assert first.wait(30) and first.error is None
    assert sum(path.startswith("/cdn/") for path in server.asked) == 1


def test_progress_is_told_in_bytes_speed_and_time(server):
    server.speed = 200_000
    download = downloads.start_download("gpt2")
    wait_for_weights()
    assert 0 < download.done < download.total
    assert download.speed > 0 and 0 < download.seconds_left < 60
    assert "MB/s" in download.progress_text() and "s left" in download.progress_text()
    assert download.wait(30) and "left" not in download.progress_text()


def test_a_cancelled_download_goes_on_later(server):
    server.speed = 100_000
    download = downloads.start_download("gpt2")
    wait_for_weights()
    download.cancel()
    assert download.wait(10) and "was stopped" in download.error
    assert hub.find_model("gpt2") is None
    (part,) = parts()
    arrived = part.stat().st_size
    assert arrived > 0
    server.speed = None
    good()
    assert server.ranges == [f"bytes={arrived}-"]


def test_a_broken_connection_is_taken_up_again(server):
    server.fault = "cut once"
    good()
    assert len(server.ranges) == 1 and not server.ranges[0].startswith("bytes=0")


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(server):
    server.fault = "no ranges"
    good()
    assert server.ranges


def test_cut_mid_file_again_and_again(server):
    server.fault = "cut"
    failed("broke off after", "goes on from there")
    server.fault = None
    good()
    assert not parts()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("404", ["has no model gpt2", "check the spelling"]),
        ("revision", ["does not have the revision of gpt2"]),
        ("401", ["does not give gpt2 to everybody", "HF_TOKEN"]),
        ("429", ["too many requests", "in 7 s"]),
        ("500", ["trouble of its own (error 500)"]),
        ("418", ["refuses the download", "418"]),
        ("hang", ["did not answer within 0.5 s"]),
        ("hang mid-file", ["did not answer within 0.5 s", "what has arrived is kept"]),
        ("portal", ["does not answer as the hub does", "log in first"]),
        ("wrong hash", ["model.safetensors of gpt2 arrived damaged and was thrown away"]),
        ("too short", ["arrived damaged", "in place of"]),
        ("too long", ["arrived damaged", "in place of"]),
    ],
)
def test_a_fault_of_the_hub(server, monkeypatch, fault, words):
    monkeypatch.setattr(downloads, "RETRIES", 0)
    server.fault = fault
    failed(*words)
    if "damaged" in words[0]:
        assert not parts()
    server.fault = None
    good()


def test_without_sizes_and_checksums_what_arrives_is_taken(server):
    server.fault = "no metadata"
    download = ended()
    assert download.error is None and load_model("gpt2").n_layers == 3
    assert "so far" in download.progress_text()


def test_unreachable(server, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        failed("cannot be reached", "HTTPS_PROXY")
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    good()


def test_a_name_that_is_not_resolved(server, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        patch.setenv("HF_ENDPOINT", "http://hub.invalid")
        failed("http://hub.invalid is not known on this network")
    good()


@pytest.mark.parametrize("address", ["hub", "ftp://hub", "http://[", "http://"])
def test_an_endpoint_that_is_no_address(server, monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    failed("HF_ENDPOINT")


def test_offline(server, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    failed("switched off (HF_HUB_OFFLINE)")
    assert server.asked == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    good()


def test_a_token_of_the_person_is_sent(server, monkeypatch):
    good()
    assert server.tokens == {None}
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_person")
    server.tokens.clear()
    good()
    assert server.tokens == {"Bearer hf_of_a_person"}


def test_a_proxy_is_asked(server, monkeypatch):
    close_session()  # proxies are looked up once a session
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", server.endpoint)
    monkeypatch.setenv("http_proxy", server.endpoint)
    try:
        good()
    finally:
        close_session()


def disk_error(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def test_the_disk_is_full(server, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(downloads.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
        failed("is full (", "are needed and 0 MB free", "HF_HOME")
    with monkeypatch.context() as patch:  # another program fills it meanwhile
        patch.setattr(downloads, "_chunks", disk_error(errno.ENOSPC))
        failed("is full", "HF_HOME")
    good()


def test_the_cache_cannot_be_written_to(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with monkeypatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path / "file"))
        failed("cannot be written to (", "HF_HOME")
    for number in (errno.EROFS, errno.EACCES):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "mkdir", disk_error(number))
            failed("cannot be written to (", "HF_HOME")
    good()


def test_a_damaged_local_file_is_named_and_mended(server):
    weights = good().folder / "model.safetensors"
    data = weights.read_bytes()
    for spoilt in (data[: len(data) // 2], b"\xff" * len(data), b""):
        weights.write_bytes(spoilt)
        with pytest.raises(HeadlabError, match="models --download gpt2"):
            load_model("gpt2")
        assert load_model("mini").name == "mini"
        good()
    assert weights.read_bytes() == data


def test_a_damaged_small_file_of_the_right_size_is_mended(server):
    config = good().folder / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"n_layer": 3', '"n_layer": 2'))
    assert config.stat().st_size == len(text)
    good()
    assert config.read_text() == text


def test_a_damaged_file_of_another_program_is_mended_where_it_lies(server):
    folder = good().folder
    blob = folder.parents[1] / "blobs" / "0123"
    os.replace(folder / "model.safetensors", blob)
    (folder / "model.safetensors").symlink_to(os.path.relpath(blob, folder))
    blob.write_bytes(b"\0" * blob.stat().st_size)
    good()
    assert not blob.exists() and not (folder / "model.safetensors").is_symlink()


def test_another_program_downloads_the_same(server):
    lock = hub.settings().cache / ".locks" / "models--gpt2" / "headlab.lock"
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(lock):
        failed("Another program is downloading gpt2")
    good()


def test_a_sweep_waits_for_another_program(server):
    lock = hub.settings().cache / ".locks" / "models--gpt2" / "headlab.lock"
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(lock):
        download = downloads.start_download("gpt2", waits=True)
        assert not download.wait(0.5) and download.error is None
    assert download.wait(30) and download.error is None and download.folder is not None


def test_an_error_nobody_thought_of_is_a_sentence_and_logged(server, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "_put_in_place", lambda *_: 1 / 0)
        failed("did not expect (ZeroDivisionError)")
    assert "ZeroDivisionError" in caplog.text
    good()


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_repository_without_a_model(server, missing):
    del server.files[missing]
    failed("holds no model that headlab can read")
    assert not any("/resolve/" in path for path in server.asked)


@pytest.mark.parametrize(
    ("config", "words"),
    [('{"model_type": "vit"}', "type vit are no causal"), ("[]", "names no architecture")],
)
def test_weights_of_an_architecture_that_cannot_be_read_are_not_fetched(server, config, words):
    server.files["config.json"] = config.encode()
    failed(words)
    assert not any("/cdn/" in path for path in server.asked)


@pytest.mark.parametrize("commit", ["b" * 40, "../../x", None])
def test_a_mirror_with_another_revision(server, monkeypatch, commit):
    listing = server.listing()
    monkeypatch.setattr(server, "listing", lambda: listing | {"sha": commit})
    failed("another revision of gpt2")


def test_a_mirror_cannot_place_files_elsewhere(server, monkeypatch):
    server.files["../../evil.json"] = server.files["/etc/model.safetensors"] = b"evil"
    folder = good().folder
    assert {path.name for path in folder.iterdir()} <= set(server.files)
    assert not list(hub.settings().cache.rglob("evil*"))


def test_a_pickle_is_fetched_where_there_is_nothing_better(published, tmp_path, monkeypatch):
    folder = pickled(shutil.copytree(published, tmp_path / "pickled"))
    with running(Hub(folder, PINNED)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        good()
        assert "pickle" in load_model("gpt2").notice


def test_weights_in_parts(published, tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM

    folder = shutil.copytree(published, tmp_path / "parts")
    network = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="100KB")
    shards = list(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    with running(Hub(folder, PINNED)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        (good().folder / shards[0].name).unlink()
        assert hub.find_model("gpt2") is None
        good()


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({"HF_HOME": "/a"}, "/a/hub"),
        ({"HF_HOME": "/a", "HF_HUB_CACHE": "/b"}, "/b"),
        ({"HF_HOME": "", "XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HF_HOME": "", "XDG_CACHE_HOME": ""}, "~/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_other_programs_look(monkeypatch, environment, cache):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert hub.settings().cache == Path(cache).expanduser()
