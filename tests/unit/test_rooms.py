"""The store of rooms: nothing let in, nothing lost, and nothing left when a room has ended."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from headlab import HeadlabError
from headlab.rooms import Store, store
from headlab.rooms.store import CODE, LETTERS, tidy


@pytest.fixture
def place(tmp_path):
    return tmp_path / "data" / "rooms.sqlite"


@pytest.fixture
def rooms(place):
    with closing(Store(place)) as opened:
        yield opened


def test_what_is_handed_in_last_is_what_there_is(rooms):
    room, secret = rooms.open("Heads", 1)
    assert rooms.hand_in(room.code, "anna", "one") == 1
    assert rooms.hand_in(room.code, "ben", "two") == 2
    assert rooms.hand_in(room.code, "anna", "three") == 1
    assert [(h.number, h.record) for h in rooms.all_handed(room.code, secret)] == [
        (1, "three"),
        (2, "two"),
    ]
    assert rooms.handed(room.code, "anna").record == "three"
    assert rooms.handed(room.code, "zoe") is None


def test_codes_are_long_and_may_be_typed_in_any_way(rooms):
    room, _ = rooms.open()
    assert len(room.code) == CODE and set(room.code) <= set(LETTERS)
    typed = f" {room.code[:5].lower()}-{room.code[5:].lower()} "
    assert rooms.room(typed) == rooms.room(room.code) and tidy(typed) == room.code
    codes = {rooms.open()[0].code for _ in range(20)}
    assert len(codes) == 20


def test_nothing_is_let_in(rooms):
    """Guessed codes and secrets, another room's teacher, a room that has ended."""
    room, secret = rooms.open()
    other, others_secret = rooms.open()
    rooms.hand_in(room.code, "anna", "hers")
    for code, word in ((room.code, ""), (room.code, others_secret), (other.code, secret)):
        assert rooms.teaches(code, word) is None and rooms.all_handed(code, word) == []
        rooms.hold(code, word, True)
        rooms.end(code, word)
    assert not rooms.room(room.code).held and rooms.handed(room.code, "anna") is not None
    for code in ("", "ABCDEFGHJK", "' OR 1=1 --", "%"):
        assert rooms.room(code) is None
        with pytest.raises(HeadlabError, match="has ended"):
            rooms.hand_in(code, "anna", "x")
    assert rooms.handed(other.code, "anna") is None  # a token is of one room


def test_secrets_and_tokens_are_not_in_the_file(rooms, place):
    room, secret = rooms.open()
    rooms.hand_in(room.code, "the token of anna", "her record")
    rooms.close()
    raw = b"".join(path.read_bytes() for path in place.parent.iterdir())
    assert room.code.encode() in raw and b"her record" in raw
    assert secret.encode() not in raw and b"the token of anna" not in raw


@pytest.mark.parametrize("how", ["ended", "time"])
def test_a_room_that_is_over_leaves_no_byte(rooms, place, monkeypatch, how):
    room, secret = rooms.open("a title to be forgotten")
    rooms.hand_in(room.code, "anna", "a sentence to be forgotten " * 200)
    if how == "ended":
        rooms.end(room.code, secret)
    else:
        later = time.time() + 5 * 3600
        monkeypatch.setattr(store.time, "time", lambda: later)
        assert rooms.room(room.code) is None and rooms.teaches(room.code, secret) is None
        rooms.forget_ended()
    rooms.close()
    raw = b"".join(path.read_bytes() for path in place.parent.iterdir())
    assert b"forgotten" not in raw and room.code.encode() not in raw


def test_forty_learners_at_once_lose_nothing(rooms):
    room, secret = rooms.open()
    failed = []

    def learn(number):
        try:
            for turn in range(2):
                rooms.hand_in(room.code, f"learner {number}", f"{number}: {turn}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=learn, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handed = rooms.all_handed(room.code, secret)
    assert failed == [] and sorted(h.number for h in handed) == list(range(1, 41))
    assert {h.record for h in handed} == {f"{n}: 1" for n in range(40)}


KILLED = """
import os, signal, sys
from headlab.rooms import Store
rooms = Store(sys.argv[1])
for turn in range(10_000):
    rooms.hand_in(sys.argv[2], "anna", f"answer {turn}")
    print(turn, flush=True)
"""


def test_a_killed_server_loses_no_locked_answer(rooms, place):
    room, _ = rooms.open()
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(place), room.code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as process:
        for line in process.stdout:
            if int(line) == 20:
                process.send_signal(signal.SIGKILL)
                break
        rest = process.stdout.read().split()
    last = int(rest[-1]) if rest else 20
    with closing(Store(place)) as restarted:
        kept = int(restarted.handed(room.code, "anna").record.split()[1])
    assert kept in (last, last + 1)  # the one after may have arrived without being told


def test_a_locked_store_and_one_that_cannot_be_made_get_a_sentence(rooms, place, tmp_path):
    room, _ = rooms.open()
    impatient = Store(place)
    impatient.close()
    impatient._engine = store.create_engine(f"sqlite:///{place}", connect_args={"timeout": 0.1})
    store._listen(impatient._engine)
    lock = sqlite3.connect(place, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(HeadlabError, match=r"does not answer .*stays in its browser"):
        impatient.hand_in(room.code, "anna", "x")
    lock.execute("ROLLBACK")
    assert impatient.hand_in(room.code, "anna", "x") == 1  # it goes on by itself
    lock.close()
    impatient.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(HeadlabError, match="HEADLAB_STORE"):
        Store(tmp_path / "file" / "rooms.sqlite")


def test_there_is_an_end_to_everything(rooms, monkeypatch):
    monkeypatch.setattr(store, "MOST_ROOMS", 1)
    monkeypatch.setattr(store, "MOST_LEARNERS", 1)
    monkeypatch.setattr(store, "MAX_BYTES", 10)
    room, _ = rooms.open()
    with pytest.raises(HeadlabError, match="end one first"):
        rooms.open()
    rooms.hand_in(room.code, "anna", "x")
    with pytest.raises(HeadlabError, match="This room is full"):
        rooms.hand_in(room.code, "ben", "x")
    with pytest.raises(HeadlabError, match="too long"):
        rooms.hand_in(room.code, "anna", "x" * 11)
    with pytest.raises(HeadlabError, match="choose fewer"):
        rooms.open(hours=9_999)
