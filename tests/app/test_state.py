"""The address bar and the selection say the same, whatever somebody types there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlab.behaviours import behaviours
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.profiles.looks import look_names
from headlab.ui.services import state
from headlab.ui.services.selection import NAME_MAPS, OWN, Selection, fit, parse
from tests.app.test_pages import opened

NAMES = ("model text start layer head beside lens overview behaviour token toward arcs log").split()
NAMES += ["across", "against", "least", "only", "preset"]

selections = st.builds(
    Selection,
    text_name=st.sampled_from([*guided_texts(), OWN]),
    start_token=st.booleans(),
    layer=st.integers(0, 11),
    head=st.none() | st.integers(0, 11),
    beside=st.none() | st.builds(Head, st.integers(0, 11), st.integers(0, 11)),
    lens=st.booleans(),
    overview=st.booleans(),
    behaviour=st.none() | st.sampled_from(list(behaviours())),
    token=st.none() | st.integers(0, 127),
    toward=st.booleans(),
    arcs=st.integers(0, 100),
    log=st.booleans(),
    across=st.none() | st.sampled_from([*behaviours(), *look_names()]),
    against=st.none() | st.sampled_from([*behaviours(), *look_names()]),
    least=st.integers(0, 100).map(lambda percent: percent / 100),
    only=st.lists(st.integers(0, 11), unique=True).map(lambda layers: tuple(sorted(layers))),
    preset=st.none() | st.just(NAME_MAPS),
)


@given(selections)
def test_every_selection_survives_the_address(selection):
    assert parse(selection.as_query()) == (selection, [])
    assert fit(selection, 12, 12) == (selection, [])


def test_the_first_view_names_its_model_alone(monkeypatch):
    opened = Selection()
    monkeypatch.setattr(state, "default_model", lambda: "gpt2")  # somebody downloads it
    assert opened.as_query() == {"model": "mini"}
    assert Selection(model="gpt2").as_query() == {"model": "gpt2"}


def test_the_first_model_is_chosen_once(monkeypatch):
    test = opened("pages/Layers.py")
    assert test.query_params["model"] == "mini"
    monkeypatch.setattr(state, "default_model", lambda: "gpt2")
    del test.query_params["model"]
    test.run()
    assert not test.exception and test.query_params["model"] == "mini"


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12)))
def test_any_address_gives_a_view_that_exists(query):
    selection, complaints = parse(query)
    fitted, more = fit(selection, 12, 12)
    assert 0 <= fitted.layer < 12 and (fitted.head is None or 0 <= fitted.head < 12)
    assert fitted.beside is None or max(fitted.beside) < 12
    assert parse(fitted.as_query()) == (fitted, [])
    assert all(sentence.endswith(".") for sentence in complaints + more)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"beside": "L99.H0"}, "no head L99.H0"),
        ({"beside": "x"}, "write it as L5.H10"),
        ({"only": "3.99"}, "has only layers 0 to 11"),
        ({"only": "a.b"}, "layers that are no numbers"),
        ({"preset": "nonsense"}, "a view of the rankings that does not exist"),
        ({"least": "300"}, "lowest score that is no percentage"),
        ({"behaviour": "inductoin"}, "a behaviour that does not exist"),
        ({"arcs": "-5"}, "limit for arcs"),
        ({"token": "last"}, "a token that is no position"),
    ],
)
def test_each_part_that_cannot_be_had_is_told(query, words):
    selection, complaints = parse(query)
    _, more = fit(selection, 12, 12)
    assert words in " ".join(complaints + more)


def test_a_widget_that_a_run_did_not_come_to_is_set_again(monkeypatch):
    kept = {}
    monkeypatch.setattr(state.st, "session_state", kept)
    state.empty_for("a text", {"word": 5})
    kept["word"] = 7  # as the learner chose
    state.empty_for("a text", {"word": 5})
    assert kept["word"] == 7
    del kept["word"]  # as Streamlit does after a run without the widget
    state.empty_for("a text", {"word": 5})
    assert kept["word"] == 5


def test_a_look_is_not_asked_of_another_head():
    looking = Selection(model="mini", layer=3, head=7, token=12, key=6)
    assert looking.with_changes(head=5).key is None
    assert looking.with_changes(lens=True).key == 6
    assert looking.with_changes(head=5, key=2).key == 2
