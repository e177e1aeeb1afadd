"""A room through whole pages: a teacher opens it, learners come in, answers arrive."""

import json
from contextlib import closing

import pytest
from streamlit.testing.v1 import AppTest

from headlab import settings
from headlab.rooms import Store
from headlab.ui.services import rooms
from tests.app.test_head_page import said
from tests.app.test_pages import opened, sentences
from tests.app.test_predict import answer

SHEET = {"sheet": "cat-twice", "step": "1"}


@pytest.fixture
def store(monkeypatch, tmp_path):
    place = tmp_path / "rooms.sqlite"
    monkeypatch.setenv("HEADLAB_STORE", str(place))
    rooms.store.clear()
    with closing(Store(place)) as opened:
        yield opened
    rooms.store.clear()


@pytest.fixture
def room(store):
    return store.open("Attention, group 2", 4)


def learner(room, name="Anna", **query) -> AppTest:
    test = opened("pages/Predict.py", room=room[0].code, **SHEET, **query)
    assert not test.exception and not test.error
    if name is not None:
        test.text_input(key="name in the room").set_value(name)
    press(test, "Come in")
    return test


def press(test, label):
    next(each for each in test.button if each.label == label).click().run()
    assert not test.exception and not test.error


def teacher(room, **more) -> AppTest:
    test = opened("pages/Class.py", room=room[0].code, teacher=room[1], **more)
    assert not test.exception and not test.error
    return test


def test_a_room_is_opened_and_its_learners_appear(store):
    test = opened("pages/Class.py")
    assert "invented" in said(test)
    press(test, "Open the room")
    code, secret = json.loads(test.session_state["teaching"])
    assert store.teaches(code, secret) is not None
    assert "Nobody has come in yet" in said(test) and "invented" not in said(test)
    assert any(f"/Predict?room={code}" in block.value for block in test.code)
    assert any(secret in block.value for block in test.code)
    store.hand_in(code, "token", learner_record("Zoë"))
    test.run()
    assert "Zoë" in test.dataframe[0].value["learner"].tolist()


def learner_record(name):
    from headlab.exercises import Record

    return Record.new(name).to_json()


def test_a_learner_comes_in_and_every_answer_is_handed_in(store, room):
    test = learner(room)
    assert "as **Anna**" in said(test)
    assert len(store.all_handed(room[0].code, room[1])) == 1
    answer(test, "3", 3)
    (handed,) = store.all_handed(room[0].code, room[1])
    record = json.loads(handed.record)
    assert record["name"] == "Anna" and record["entries"][0]["first"]["sureness"] == 3
    shown = teacher(room)
    assert "**1 of 1** have locked" in said(shown)
    assert shown.dataframe[0].value["now"].tolist() == ["looking"]
    assert "teacher" not in shown.query_params and "room" not in shown.query_params


def test_who_gives_no_name_gets_a_number(store, room):
    learner(room, "Anna")
    test = learner(room, "")
    assert "as **learner 2**" in said(test)


def test_held_answers_wait_and_come_when_the_teacher_shows_them(store, room):
    store.hold(*[room[0].code, room[1]], True)
    test = learner(room)
    answer(test, "3", 3)
    assert "Locked and handed in" in said(test) and not test.main.get("plotly_chart")
    shown = teacher(room)
    assert "**1 of 1** have locked" in said(shown) and not shown.main.get("plotly_chart")
    store.hold(room[0].code, room[1], False)
    test.run()
    assert "Locked and handed in" not in said(test)
    assert any("What do you see" in each.value for each in test.subheader)


def test_a_learner_s_own_link_brings_everything_back(store, room):
    first = learner(room, "Ben")
    answer(first, "3", 3)
    token = json.loads(first.session_state["room"])[1]
    again = opened("pages/Predict.py", room=room[0].code, me=token, **SHEET)
    assert "as **Ben**" in said(again) and "It is locked" in said(again)
    assert "me" not in again.query_params
    wrong = opened("pages/Predict.py", room=room[0].code, me="guessed", **SHEET)
    assert "belongs to no learner" in sentences(wrong)


def test_somebody_else_at_the_same_browser_begins_a_new_record(store, room):
    test = learner(room, "Anna")
    answer(test, "3", 3)
    press(test, "Leave the room")
    test.query_params["room"] = room[0].code
    test.run()
    test.text_input(key="name in the room").set_value("Ben")
    press(test, "Come in")
    names = [json.loads(each.record) for each in store.all_handed(room[0].code, room[1])]
    assert [(r["name"], len(r["entries"]) > 0) for r in names] == [("Anna", True), ("Ben", False)]


def test_a_room_that_has_ended_says_so_on_both_sides(store, room):
    test, shown = learner(room), teacher(room)
    press(shown, "End it and delete everything")
    assert store.room(room[0].code) is None and "invented" in said(shown)
    test.run()
    assert "The room has ended" in said(test)
    press(test, "Go on without it")
    assert "has ended" not in said(test) and "room" not in test.query_params


def test_guessed_rooms_and_teachers_are_not_let_in(store, room):
    assert "no such room" in sentences(opened("pages/Predict.py", room="ABCDEFGHJK"))
    test = opened("pages/Class.py", room=room[0].code, teacher="guessed")
    assert "belongs to no open room" in sentences(test) and "invented" in said(test)


def test_strangers_open_no_rooms(store, monkeypatch):
    monkeypatch.setattr(settings, "public", lambda: True)
    monkeypatch.setattr(rooms, "HERE", ())
    assert not any("Open a room" in each.label for each in opened("pages/Class.py").expander)


def test_a_store_that_fails_loses_nothing_and_says_so(store, room, monkeypatch):
    test = learner(room)
    hand_in = Store.hand_in

    def fail(*_):
        raise rooms.HeadlabError("The store of rooms does not answer (disk full).")

    monkeypatch.setattr(Store, "hand_in", fail)
    answer(test, "3", 3)
    assert "does not answer (disk full)" in sentences(test) and "It is locked" in said(test)
    monkeypatch.setattr(Store, "hand_in", hand_in)
    next(each for each in test.button if each.label.startswith("Skip")).click().run()
    assert "does not answer" not in sentences(test)
    assert json.loads(store.all_handed(room[0].code, room[1])[0].record)["entries"]


def test_markup_in_names_and_titles_is_text(store):
    room = store.open("<img src=x> **bold**", 1)
    test = learner(room, "<b>Eve</b> ![x](http://evil.example/x.png)")
    assert "\\!\\[x\\]" in said(test)
    shown = teacher(room)
    assert "\\<img src" in shown.subheader[0].value
