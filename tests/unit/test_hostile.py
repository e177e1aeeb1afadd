"""A thousand hostile inputs through the functions behind pages and command line.

Each gives a result or one sentence. Meanwhile an audit hook watches the interpreter itself: no file
outside what belongs to headlab is opened, nothing is unpickled, started or connected to.
"""

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest

from headlab import HeadlabError, Profile, cli, load_model, profile_model, read_text
from headlab.cli import shared
from headlab.exercises import (
    Board,
    Entry,
    MeasurementContext,
    Record,
    parse_record,
    prepare,
    read_sheet,
    sheets,
)
from headlab.exercises.sheets import template
from headlab.measuring.pictures import draw_pictures
from headlab.models.loading import is_known
from headlab.models.tokens import tokenise
from headlab.ui.services import browser_store
from headlab.ui.services.selection import _PARTS, fit, parse
from tests import hostile_input as hostile
from tests.models import tiny_model

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 20.0  # seconds for one input: a hang, not a measure of speed
DANGEROUS = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "socket.connect")

_seen: list[tuple[str, object]] | None = None


def _watch(event, arguments):
    if _seen is None:
        return
    if event in DANGEROUS or (event == "open" and isinstance(arguments[0], str | bytes)):
        _seen.append((event, arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


@pytest.fixture(autouse=True)
def watched(tmp_path_factory, monkeypatch):
    """Fails a test in which anything was touched that is none of headlab's business."""
    global _seen
    own = tmp_path_factory.mktemp("own")
    monkeypatch.chdir(own)
    monkeypatch.setenv("HEADLAB_CACHE", str(own.parent / "cache"))
    _seen = []
    yield
    seen, _seen = _seen, None
    allowed = [str(ROOT), str(own), sys.prefix, sys.base_prefix, str(own.parent), os.devnull]
    allowed += ["/usr/share/zoneinfo", "/proc/meminfo", "/proc/self", "/sys/fs/cgroup"]
    outside = [
        (event, path)
        for event, path in seen
        if event != "open" or not os.path.abspath(os.fsdecode(path)).startswith(tuple(allowed))
    ]
    assert outside == []
    assert list(own.iterdir()) == []


def answered(call, *arguments):
    """The result, or None for one sentence; anything else is a failure."""
    begin = time.monotonic()
    try:
        return call(*arguments)
    except HeadlabError as error:
        sentence = str(error)
        assert sentence.endswith((".", "?")) and len(sentence) < 7000, sentence[:300]
        return None
    finally:
        assert time.monotonic() - begin < LONGEST, repr(arguments)[:200]


def test_texts(model):
    read = 0
    for text in hostile.texts(300):
        tokens = answered(tokenise, model, text)
        if tokens is not None and len(tokens[0]) < 80:
            assert answered(read_text, model, text, ()) is not None
            read += 1
            if read % 10 == 0:
                answered(draw_pictures, model, text)
    assert read > 30


def test_addresses():
    names = [part.name for part in _PARTS]
    for query in hostile.addresses(200, names):
        selection, complaints = parse(query)
        fitted, more = fit(selection, 12, 12)
        assert all(isinstance(sentence, str) for sentence in complaints + more)
        assert 0 <= fitted.layer < 12 and (fitted.head is None or 0 <= fitted.head < 12)
        assert fitted.model == selection.model and is_known(fitted.model)
        assert parse(fitted.as_query())[0] == fitted  # what is written can be read


def test_model_names(monkeypatch):
    for name in hostile.model_names(100):
        answered(load_model, name)
        assert not is_known(name) or name == "gpt2"


def test_model_names_on_a_public_server(monkeypatch):
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    for name in hostile.model_names(100):
        with pytest.raises(HeadlabError):
            load_model(name)


def test_sheets(model):
    lab = MeasurementContext.of(tiny_model())
    good = (ROOT / "prompts" / "sheets" / "cat-twice.toml").read_text(encoding="utf-8")
    files = hostile.damaged_text(template("x"), 75) + hostile.damaged_text(good, 75, seed=5)
    for source in files:
        sheet = answered(read_sheet, source)
        if sheet is not None:
            answered(prepare, sheet.steps[0].question, lab)


@pytest.fixture(scope="module")
def record():
    lab, sheet = MeasurementContext.of(load_model("mini")), sheets()["cat-twice"]
    prepared = prepare(sheet.steps[0].question, lab)
    return json.loads(Record.new().with_entry(Entry.start(sheet, 1, prepared, lab)).to_json())


def test_records(record):
    files = hostile.damaged_json(record, 150)
    taken = [each for source in files if (each := answered(parse_record, source)) is not None]
    assert all(answered(parse_record, each.to_json()) is not None for each in taken)
    board = answered(Board.read, [(f"{i}.json", source) for i, source in enumerate(files)])
    assert len(board.left_out) + len(board.records) + board.merged == len(files)
    board.anonymised().questions()
    board.to_csv()


def test_what_a_browser_kept_and_somebody_changed(record):
    for source in hostile.damaged_json({"own_text": "x", "marks": "{}", "record": "{}"}, 50):
        kept = browser_store._read(source.decode("utf-8", "replace"))
        assert set(kept) <= set(browser_store.KEPT)
        assert all(isinstance(value, str) for value in kept.values())


def test_profiles():
    profile = profile_model(tiny_model(), variants=False, controls=0, cache=False)
    for source in hostile.damaged_json(json.loads(json.dumps(profile.to_dict())), 100):

        def load(source=source):
            try:
                data = json.loads(source)
            except (ValueError, RecursionError):
                return None
            return Profile.from_dict(data)

        loaded = answered(load)
        if loaded is not None:
            answered(loaded.ranking, "induction")


def test_the_command_line(model, monkeypatch):
    monkeypatch.setattr(
        shared, "load_model", lambda name: model if name == "mini" else load_model(name)
    )
    calls = [["score", "--text", text, "--layer", "0"] for text in hostile.texts(60, seed=7)]
    calls += [["score", "--text", "a b", "--entity", text] for text in hostile.texts(20, seed=8)]
    calls += [["score", "--text", "a b", "--model", name] for name in hostile.model_names(40, 9)]
    calls += [["rank", "--behaviour", text] for text in hostile.texts(20, seed=10)]
    calls += [["sheets", "new", name] for name in hostile.model_names(30, 11)]
    calls += [["sheets", "key", name] for name in hostile.model_names(30, 12)]
    for call in calls:
        printed = io.StringIO()
        monkeypatch.setattr(sys, "stderr", printed)
        code = answered(cli.main, call)
        assert code in (cli.DONE, cli.FAILED, cli.MISUNDERSTOOD)
        assert "Traceback" not in printed.getvalue()
        if code == cli.FAILED:
            assert printed.getvalue().startswith("headlab: ")
