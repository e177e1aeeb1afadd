"""ModelQueue and the result cache: fair, shared, bounded, and never stuck when somebody leaves."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from headlab.errors import HeadlabError
from headlab.ui.services import queue, sharing
from headlab.ui.services.queue import ModelQueue, ResultCache, size_of


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(queue, "NOTICE_AFTER_S", 0.01)


def start(*bodies):
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def until(condition):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)  # who waits in a queue tells nobody
    pytest.fail("it never came")


class Left(BaseException):
    """What Streamlit raises in a run whose learner has gone elsewhere."""


def test_one_at_a_time_in_the_order_of_asking():
    turns, order, inside, free = ModelQueue(), [], [], threading.Event()

    def body(number):
        with turns.turn():
            inside.append(number)
            assert len(inside) == 1
            free.wait(10)
            order.append(number)
            inside.remove(number)

    threads = []
    for number in range(5):
        threads += start(lambda number=number: body(number))
        until(lambda number=number: len(turns._queue) == number + 1)
    assert turns.waiting == 4
    free.set()
    join(threads)
    assert order == [0, 1, 2, 3, 4] and turns.waiting == 0


def test_who_waits_hears_how_many_are_ahead_and_may_leave():
    turns, heard, free = ModelQueue(), [], threading.Event()

    def hold():
        with turns.turn():
            free.wait(10)

    def leave():
        def tell(ahead):
            heard.append(ahead)
            raise Left

        with pytest.raises(Left), turns.turn(tell):
            pytest.fail("it was not its turn")

    holding = start(hold)
    until(lambda: len(turns._queue) == 1)
    waiting = start(hold)
    until(lambda: len(turns._queue) == 2)
    leaving = start(leave)
    join(leaving)
    assert heard == [2] and turns.waiting == 1
    free.set()
    join(holding + waiting)


def test_a_turn_within_a_turn_and_an_error_in_one():
    turns = ModelQueue()
    with pytest.raises(ZeroDivisionError), turns.turn(), turns.turn():
        _ = 1 / 0
    with turns.turn():
        assert turns.waiting == 0


def test_long_work_lets_all_who_wait_go_first():
    turns, order = ModelQueue(), []

    def short():
        with turns.turn():
            order.append("short")

    with turns.turn():
        turns.give_way()  # nobody waits: nothing happens
        threads = start(short, short)
        until(lambda: turns.waiting == 2)
        turns.give_way()
        order.append("long")
    join(threads)
    assert order == ["short", "short", "long"]


def test_the_same_work_is_done_once():
    result_cache, made, free = ResultCache(ModelQueue(), 10_000), [], threading.Event()

    def make():
        free.wait(10)
        made.append(1)
        return "value"

    found = []
    threads = start(*[lambda: found.append(result_cache.get("key", make))] * 6)
    until(lambda: result_cache._pending)
    free.set()
    join(threads)
    assert found == ["value"] * 6 and len(made) == 1
    assert (result_cache.hits, result_cache.misses) == (5, 1)


def test_an_error_reaches_all_who_wait_and_is_not_kept():
    result_cache, free, heard = ResultCache(ModelQueue(), 10_000), threading.Event(), []

    def fail():
        free.wait(10)
        raise HeadlabError("No.")

    def ask():
        try:
            result_cache.get("key", fail)
        except HeadlabError as error:
            heard.append(str(error))

    threads = start(*[ask] * 3)
    until(lambda: result_cache._pending)
    free.set()
    join(threads)
    assert heard == ["No."] * 3
    assert result_cache.get("key", lambda: "now") == "now"


def test_when_the_one_who_works_leaves_another_takes_over():
    result_cache, first, free = (
        ResultCache(ModelQueue(), 10_000),
        threading.Event(),
        threading.Event(),
    )

    def left():
        first.set()
        free.wait(10)
        raise Left

    def leaver():
        with pytest.raises(Left):
            result_cache.get("key", left)

    found = []
    threads = start(leaver)
    first.wait(10)
    told = threading.Event()
    threads += start(
        lambda: found.append(result_cache.get("key", lambda: "mine", lambda ahead: told.set()))
    )
    assert told.wait(10)
    free.set()
    join(threads)
    assert found == ["mine"]


def test_the_shelf_is_bounded_in_bytes_and_entries():
    result_cache = ResultCache(ModelQueue(), max_bytes=1000, max_entries=3)
    for name in "abc":
        result_cache.put(name, np.zeros(300, np.uint8))
    assert result_cache.find("a") is not None  # used last
    result_cache.put("d", np.zeros(300, np.uint8))
    assert [result_cache.find(name) is None for name in "abcd"] == [False, True, False, False]
    assert result_cache.bytes == 900
    result_cache.put("e", np.zeros(900, np.uint8))
    assert len(result_cache) == 1 and result_cache.bytes == 900
    result_cache.put("f", np.zeros(2000, np.uint8))  # given, but not kept
    assert result_cache.find("f") is None and result_cache.find("e") is not None


def test_what_nobody_asks_for_is_dropped(monkeypatch):
    result_cache, now = ResultCache(ModelQueue(), 1000), [0.0]
    monkeypatch.setattr(queue.time, "monotonic", lambda: now[0])
    result_cache.put("text", "value")
    now[0] = queue.TTL_S + 1
    result_cache.find("another")
    assert len(result_cache) == 0 and result_cache.bytes == 0


def test_the_size_of_what_is_kept_is_that_of_its_arrays():
    @dataclass
    class Thing:
        cells: np.ndarray
        by_name: dict
        name: str = "x"

    thing = Thing(np.zeros((10, 100), np.float32), {"a": [np.zeros(500, np.uint8)]})
    assert 4500 < size_of(thing) < 5000


def test_a_wait_is_shown_in_words_and_taken_away_again(monkeypatch):
    class Place:
        shown, empty_again = [], 0

        def info(self, words):
            self.shown.append(words)

        def empty(self):
            self.empty_again += 1

    place = Place()
    monkeypatch.setattr(sharing.st, "empty", lambda: place)
    with sharing.wait_shown():
        pass  # who need not wait sees nothing
    assert place.empty_again == 0
    with pytest.raises(Left), sharing.wait_shown() as tell:
        for ahead in (3, 1, 0):
            tell(ahead)
        raise Left
    assert [words.partition(": ")[2] for words in place.shown] == [
        "3 others are ahead of you.",
        "one other is ahead of you.",
        "somebody else has asked for the same just now.",
    ]
    assert place.empty_again == 1


def test_a_folder_under_the_home_folder_is_read_again_once_it_changed(monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sharing.stamp("~/mine") == sharing.stamp(str(tmp_path / "mine")) > 0
