"""A room through whole pages: a teacher opens it, learners come in, answers arrive."""

import json
from contextlib import closing

import pytest
from streamlit.testing.v1 import AppTest

from headlab.rooms import FIRST, FREE, SECOND, Store
from headlab.ui.services import rooms
from headlab.ui.views import step
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
    store.hold(*held(room), FIRST)
    test = learner(room)
    answer(test, "3", 3)
    assert "Locked and handed in" in said(test) and not test.main.get("plotly_chart")
    shown = teacher(room)
    assert "**1 of 1** have locked" in said(shown) and not shown.main.get("plotly_chart")
    store.hold(*held(room), FREE)
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


def test_on_a_public_server_only_who_knows_the_word_opens_a_room(store, monkeypatch):
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    assert not any("Open a room" in each.label for each in opened("pages/Class.py").expander)
    monkeypatch.setenv("HEADLAB_TEACHER", "a long word")
    test = opened("pages/Class.py")
    for guess in ("", "another word"):
        test.text_input(key="teacher's word").set_value(guess)
        next(each for each in test.button if each.label == "Open the room").click().run()
        assert "not the teacher's word" in sentences(test) and "teaching" not in test.session_state
    test.text_input(key="teacher's word").set_value("a long word")
    press(test, "Open the room")
    assert json.loads(test.session_state["teaching"])


def test_two_votes_and_only_then_the_answer(store, room):
    store.hold(*held(room), FIRST)
    test = learner(room)
    answer(test, "3", 1)
    assert "Talk to your neighbours" not in said(test)
    store.hold(*held(room), SECOND)
    test.run()
    assert "Talk to your neighbours" in said(test)
    answer(test, "5", 4)
    assert "Both answers are handed in" in said(test) and not test.main.get("plotly_chart")
    shown = teacher(room)
    assert "**1** have voted a second time" in said(shown)
    assert shown.dataframe[0].value["now"].tolist() == ["has voted twice"]
    projected = opened("pages/Class.py", room=room[0].code, teacher=room[1], projector="on")
    for each in (shown, projected):  # shares would steer the votes
        assert "Before and after talking" not in said(each) and not each.main.get("plotly_chart")
    store.hold(*held(room), FREE)
    (handed,) = store.all_handed(*held(room))
    entry = json.loads(handed.record)["entries"][0]
    assert (entry["first"]["value"], entry["second"]["value"]) == ("3", "5")
    for each in (test, shown, projected):
        each.run()
    assert "Both answers" not in said(test)
    assert "Before and after talking" in said(shown) and "Before and after" in said(projected)
    assert "1 of 1 have locked" in projected.header[0].value and "Anna" not in said(projected)


def test_a_second_vote_that_comes_too_late_is_none(store, room, monkeypatch):
    store.hold(*held(room), FIRST)
    test = learner(room)
    answer(test, "3", 1)
    store.hold(*held(room), SECOND)
    monkeypatch.setattr(step, "wait_for", lambda *_: None)
    test.run()

    def show_meanwhile(*_):
        store.hold(*held(room), FREE)

    for label, value in (("Your answer", "5"), ("How sure are you?", 4)):
        [w for w in test.main.get("button_group") if w.label == label][-1].set_value(value)
    test.run()
    monkeypatch.setattr(step, "wait_for", show_meanwhile)
    press(test, "Lock my answer")
    assert "The second vote is over" in sentences(test)
    (handed,) = store.all_handed(*held(room))
    assert "second" not in json.loads(handed.record)["entries"][0]


def test_steps_are_opened_by_the_teacher(store, room):
    store.open_steps(*held(room), 1)
    test = learner(room)
    assert "not open yet" not in said(test)
    test.query_params["step"] = "2"
    test.run()
    assert "not open yet" in said(test)
    assert not any(each.label == "Lock my answer" for each in test.button)
    store.open_steps(*held(room), None)
    test.run()
    assert "not open yet" not in said(test)


def test_what_was_handed_in_cannot_be_answered_again(store, room):
    test = learner(room)
    answer(test, "3", 3)
    record = json.loads(test.session_state["record"])
    test.session_state["record"] = json.dumps({**record, "entries": []})
    test.run()
    answer(test, "5", 5)
    (handed,) = store.all_handed(*held(room))
    assert json.loads(handed.record)["entries"][0]["first"]["value"] == "3"


def test_somebody_else_who_takes_over_is_one_more_learner(store, room):
    test = learner(room)
    answer(test, "3", 3)
    test.query_params.pop("sheet")
    test.run()
    name = next(each for each in test.text_input if each.label == "Your name, if you like")
    name.set_value("Ben").run()
    press(test, "Somebody else: begin a new record")
    names = [json.loads(each.record)["name"] for each in store.all_handed(*held(room))]
    assert names == ["Anna", "Ben"]


def test_only_the_sheets_of_the_lesson_are_offered(store):
    room = store.open("", 1, ["cat-twice"])
    test = learner(room)
    test.query_params.pop("sheet")
    test.run()
    labels = [each.label for each in test.main.get("page_link")]
    assert [label for label in labels if label.startswith("**")] == ["**The cat sat twice**"]


def held(room):
    """Its code and its secret."""
    return room[0].code, room[1]


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


def test_while_the_store_is_silent_nothing_held_is_shown_and_then_it_goes_on(
    store, room, monkeypatch
):
    store.hold(*held(room), FIRST)
    test = learner(room)
    answer(test, "3", 3)
    find = Store.room

    def silent(*_):
        raise rooms.HeadlabError("The store of rooms does not answer (gone).")

    monkeypatch.setattr(Store, "room", silent)
    test.run()
    assert not test.exception and "does not answer (gone)" in sentences(test)
    assert not test.main.get("plotly_chart") and "What do you see" not in said(test)
    monkeypatch.setattr(Store, "room", find)
    test.run()
    assert "Locked and handed in" in said(test) and "does not answer" not in sentences(test)


def test_markup_in_names_and_titles_is_text(store):
    room = store.open("<img src=x> **bold**", 1)
    test = learner(room, "<b>Eve</b> ![x](http://evil.example/x.png)")
    assert "\\!\\[x\\]" in said(test)
    shown = teacher(room)
    assert "\\<img src" in shown.subheader[0].value
