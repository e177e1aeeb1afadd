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
from headlab.rooms import FIRST, FREE, SECOND, Store, store
from headlab.rooms.database import CODE, DATA, open_database
from headlab.rooms.store import LETTERS, tidy


@pytest.fixture
def place(tmp_path):
    return tmp_path / "data" / "rooms.sqlite"


@pytest.fixture
def rooms(place):
    with closing(Store(place)) as opened:
        yield opened


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def either(request, place):
    """A store in each of the databases."""
    if request.param == "PostgreSQL":
        place = request.getfixturevalue("postgresql").address
    with closing(Store(place)) as opened:
        yield opened


def test_what_is_handed_in_last_is_what_there_is(either):
    room, secret = either.open("Heads", 1)
    assert either.hand_in(room.code, "anna", "one") == 1
    assert either.hand_in(room.code, "ben", "two") == 2
    assert either.hand_in(room.code, "anna", "three") == 1
    assert [(h.number, h.record) for h in either.all_handed(room.code, secret)] == [
        (1, "three"),
        (2, "two"),
    ]
    assert either.handed(room.code, "anna").record == "three"
    assert either.handed(room.code, "zoe") is None


def test_codes_are_long_and_may_be_typed_in_any_way(either):
    room, _ = either.open()
    assert len(room.code) == CODE and set(room.code) <= set(LETTERS)
    typed = f" {room.code[:5].lower()}-{room.code[5:].lower()} "
    assert either.room(typed) == either.room(room.code) and tidy(typed) == room.code
    codes = {either.open()[0].code for _ in range(20)}
    assert len(codes) == 20


def test_nothing_is_let_in(either):
    """Guessed codes and secrets, another room's teacher, a room that has ended."""
    room, secret = either.open()
    other, others_secret = either.open()
    either.hand_in(room.code, "anna", "hers")
    for code, word in ((room.code, ""), (room.code, others_secret), (other.code, secret)):
        assert either.teaches(code, word) is None and either.all_handed(code, word) == []
        either.hold(code, word, FIRST)
        either.open_steps(code, word, 1)
        either.end(code, word)
    assert either.room(room.code) == room and either.handed(room.code, "anna") is not None
    for code in ("", "ABCDEFGHJK", "' OR 1=1 --", "%"):
        assert either.room(code) is None
        with pytest.raises(HeadlabError, match="has ended"):
            either.hand_in(code, "anna", "x")
    assert either.handed(other.code, "anna") is None  # a token is of one room


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


def test_a_room_is_forgotten_by_itself_when_its_time_is_over(place):
    with closing(Store(place)) as opened:
        room, _ = opened.open("a title to be forgotten", hours=1 / 3600)
        opened.forget_from_now_on(every=0.05)
        with closing(sqlite3.connect(place)) as db:
            while db.execute("SELECT count(*) FROM rooms").fetchone()[0]:
                time.sleep(0.05)  # a room says to nobody that its time is over
        assert opened.room(room.code) is None


def test_forty_learners_at_once_lose_nothing(either):
    room, secret = either.open()
    failed = []

    def learn(number):
        try:
            for turn in range(2):
                either.hand_in(room.code, f"learner {number}", f"{number}: {turn}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=learn, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handed = either.all_handed(room.code, secret)
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
    impatient._engine = open_database(place, wait=0.1)
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


def test_a_room_is_conducted_by_its_teacher(either, monkeypatch):
    room, secret = either.open("Heads", 1, ["cat-twice", "who-tells-it"])
    assert room.sheets == ("cat-twice", "who-tells-it") and not room.held
    either.hold(room.code, secret, FIRST)
    either.open_steps(room.code, secret, 2)
    now = either.room(room.code)
    assert (now.phase, now.held, now.steps, now.sheets) == (FIRST, True, 2, room.sheets)
    either.hold(room.code, secret, SECOND, minutes=5)
    assert either.room(room.code).phase == SECOND
    later = time.time() + 301
    monkeypatch.setattr(store.time, "time", lambda: later)
    assert either.room(room.code).phase == FREE  # the time that the teacher gave is over
    with pytest.raises(HeadlabError, match="no phase 'third'"):
        either.hold(room.code, secret, "third")


def test_the_steps_of_migration_make_the_tables_that_the_code_means(either):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with either._engine.connect() as db:
        assert compare_metadata(MigrationContext.configure(db), DATA) == []


def test_a_store_of_another_version_is_left_alone(rooms, place):
    rooms.close()
    with closing(sqlite3.connect(place)) as db:
        db.execute("UPDATE alembic_version SET version_num = 'of tomorrow'")
        db.commit()
    with pytest.raises(HeadlabError, match="made by another version"):
        Store(place)


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_several_servers_may_open_a_new_store_at_once(place, kind, request):
    if kind == "PostgreSQL":
        place = request.getfixturevalue("postgresql").address
    opened, failed = [], []

    def start():
        try:
            opened.append(Store(place))
        except HeadlabError as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in opened:
        each.close()
    assert failed == [] and len(opened) == 4


def test_a_database_that_is_gone_for_a_while_loses_nothing(postgresql):
    with closing(Store(postgresql.address)) as rooms:
        room, secret = rooms.open()
        rooms.hand_in(room.code, "anna", "one")
        postgresql.stop()
        with pytest.raises(HeadlabError, match="does not answer"):
            rooms.hand_in(room.code, "anna", "two")
        postgresql.start()
        assert rooms.handed(room.code, "anna").record == "one"
        assert rooms.hand_in(room.code, "anna", "two") == 1
        rooms.end(room.code, secret)
        assert rooms.room(room.code) is None and rooms.handed(room.code, "anna") is None


def test_addresses_that_are_none_get_a_sentence(monkeypatch):
    with pytest.raises(HeadlabError, match="write it as postgresql://"):
        Store("mysql://root@localhost/rooms")
    with pytest.raises(HeadlabError, match="does not answer"):
        Store("postgresql://nobody@127.0.0.1:1/rooms")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(HeadlabError, match=r"pip install 'headlab\[postgres\]'"):
        Store("postgresql://nobody@127.0.0.1:1/rooms")
