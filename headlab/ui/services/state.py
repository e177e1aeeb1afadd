"""What the learner has chosen, and the address bar that says so.

One :class:`Selection` holds it. The address is the truth: widgets mirror it (:func:`bound`), and
only this file reads and writes it. Guided texts stand in the address by name. A learner's own text
stays out of it, since addresses get shared and logged; the one exception is a link that the
learner copies (:func:`link_with_text`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from headlab.behaviours import behaviours
from headlab.exercises.guided import guided_pairs, guided_texts
from headlab.heads import Head
from headlab.interventions import WHATS
from headlab.models.editing import What
from headlab.models.hub import default_model
from headlab.models.loading import is_known
from headlab.profiles.looks import look_names
from headlab.ui.services.collected import Collected

OWN = "own"
SET_AGAIN = 3  # runs of a page in which a widget is told its value
ANY_LAYER = -1  # none has been chosen: the page opens where there is something to see
OWN_TEXT = "own_text"
_FIRST_MODEL = "first model"
MAX_NAME = 100
NAME_MAPS = "name-copying"  # ready-made views of the rankings
LINKED_TEXT = "own"  # the part of a copied link that carries a text
LINKED_FACTS = "facts"  # and the one that carries the facts marked in it
MARKS = "marks"
_LOOKS = {"model", "text_name", "start_token", "layer", "head", "token"}  # what ``key`` belongs to
UPLOADED = "uploaded"  # a second model of which only this session has the profile


@dataclass(frozen=True)
class Selection:
    """Everything a learner has chosen.

    ``layer`` is :data:`ANY_LAYER` until one is chosen; :func:`fit` makes it layer 0.
    ``behaviour`` is the one in focus: ranked, outlined, searched for. ``token`` is the position
    that the text view reads from (``toward``: that it is looked at from). ``across``,
    ``against``, ``least``,
    ``only`` and ``preset`` (a ready-made view) belong to the rankings, ``sheet`` and ``step`` (from
    1) to the exercises. ``key`` is the position that ``head`` is asked about looking at,
    ``circuit`` what was collected on the Circuit page. To the Cause page belong the heads
    ``removed``, the next token to ``watch``
    (blank: the one expected most), ``patching`` (its other view), the ``pair`` of texts, ``what``
    is patched, into which of them (``noising``) and whether ``by_position``. The open model is
    compared with ``second``; ``training`` shows its training instead (None: as the page finds fit).
    A link to a ``room`` may hold the token of the learner (``me``) or of the ``teacher`` whose it
    is; both are taken out of the address at once. ``projector`` shows a room to the class.
    """

    model: str = field(default_factory=default_model)
    text_name: str = field(default_factory=lambda: next(iter(guided_texts())))
    start_token: bool = True
    layer: int = ANY_LAYER
    head: int | None = None
    beside: Head | None = None
    lens: bool = False
    overview: bool = False
    behaviour: str | None = None
    token: int | None = None
    toward: bool = False
    key: int | None = None
    arcs: int = 30
    log: bool = False
    across: str | None = None
    against: str | None = None
    least: float = 0.0
    only: tuple[int, ...] = ()
    preset: str | None = None
    sheet: str | None = None
    step: int = 1
    removed: tuple[Head, ...] = ()
    watch: str = ""
    patching: bool = False
    pair: str = field(default_factory=lambda: next(iter(guided_pairs())))
    what: What = "head output"
    noising: bool = False
    by_position: bool = False
    circuit: Collected | None = None
    second: str | None = None
    training: bool | None = None
    room: str | None = None
    me: str | None = None
    teacher: str | None = None
    projector: bool = False

    def with_changes(self, **changes: Any) -> "Selection":
        """The same with ``changes``; a look asked about is not asked of another head or text."""
        if "key" not in changes and not _LOOKS.isdisjoint(changes):
            changes["key"] = None
        return replace(self, **changes)

    @property
    def is_own_text(self) -> bool:
        """Whether the text is the learner's own, which the address does not hold."""
        return self.text_name == OWN

    def as_query(self) -> dict[str, str]:
        """The selection as it stands in the address: the model, and what differs from the start.

        What a machine opens first changes with what is downloaded, so the model is always named.
        """
        start = asdict(Selection(model=""))
        return {
            part.name: part.write(value)
            for part in _PARTS
            if (value := getattr(self, part.attribute)) != start[part.attribute]
        }


@dataclass(frozen=True)
class _Part:
    """One part of the address: how it is read and written, and what to say if it cannot be."""

    name: str
    attribute: str
    read: Callable[[str], Any]
    complaint: str
    write: Callable[[Any], str] = str


def _one_of(names: Callable[[], Any]) -> Callable[[str], str]:
    def read(word: str) -> str:
        if word not in names():
            raise ValueError
        return word

    return read


def _known_model(word: str) -> str:
    if not is_known(word):
        raise ValueError
    return word


def _second_model(word: str) -> str:
    return word if word == UPLOADED else _known_model(word)


def _number(word: str) -> int:
    if len(word) > 6:
        raise ValueError
    return int(word)


def _share(word: str) -> float:
    value = _number(word) / 100
    if not 0 <= value <= 1:
        raise ValueError
    return value


def _name(word: str) -> str:
    if not 0 < len(word) <= MAX_NAME:
        raise ValueError
    return word


def _switch(name: str, attribute: str, usual: str) -> _Part:
    return _Part(
        name=name,
        attribute=attribute,
        read=lambda word: {"on": True, "off": False}[word],
        complaint=f"The address says {name}= neither on nor off: {usual}.",
        write=lambda value: "on" if value else "off",
    )


_PARTS = (
    _Part(
        "model",
        "model",
        _known_model,
        "The address names a model that is not here: mini is shown.",
    ),
    _Part(
        "text",
        "text_name",
        _one_of(lambda: [*guided_texts(), OWN]),
        "The address names a text that does not exist: the first one is shown.",
    ),
    _switch("start", "start_token", "the start token is on"),
    _Part(
        "layer",
        "layer",
        _number,
        "The address holds a layer that is no number: layer 0 is shown.",
    ),
    _Part(
        "head",
        "head",
        _number,
        "The address holds a head that is no number: no head is chosen.",
    ),
    _Part(
        "beside",
        "beside",
        Head.parse,
        "The address names a second head that is none: write it as L5.H10.",
    ),
    _switch("lens", "lens", "the sink lens is off"),
    _switch("overview", "overview", "one layer is shown"),
    _Part(
        "behaviour",
        "behaviour",
        _one_of(behaviours),
        "The address names a behaviour that does not exist: none is in focus.",
    ),
    _Part(
        "token",
        "token",
        _number,
        "The address holds a token that is no position: the last one is chosen.",
    ),
    _switch("toward", "toward", "the view shows where the token looks"),
    _Part(
        "key",
        "key",
        _number,
        "The address holds a token looked at that is no position: the brightest is chosen.",
    ),
    _Part(
        "arcs",
        "arcs",
        lambda word: round(100 * _share(word)),
        "The address holds a limit for arcs that is no percentage: 30 is used.",
    ),
    _switch("log", "log", "the colours are linear"),
    *(
        _Part(
            name,
            name,
            _one_of(lambda: {**behaviours(), **look_names()}),
            "The address names a measure that does not exist: another one is shown.",
        )
        for name in ("across", "against")
    ),
    _Part(
        "least",
        "least",
        _share,
        "The address holds a lowest score that is no percentage: 0 is used.",
        lambda value: str(round(100 * value)),
    ),
    _Part(
        "only",
        "only",
        lambda word: tuple(sorted({_number(layer) for layer in word.split(".")})),
        "The address holds layers that are no numbers: all layers are shown.",
        lambda layers: ".".join(map(str, layers)),
    ),
    _Part(
        "preset",
        "preset",
        _one_of(lambda: (NAME_MAPS,)),
        "The address names a view of the rankings that does not exist: one behaviour is shown.",
    ),
    _Part(
        "sheet",
        "sheet",
        _name,
        "The address names no sheet that could exist: the list of sheets is shown.",
    ),
    _Part(
        "step",
        "step",
        _number,
        "The address holds a step that is no number: the first one is shown.",
    ),
    _Part(
        "removed",
        "removed",
        lambda word: tuple(sorted({Head.parse(name) for name in word.split("-")})),
        "The address holds heads to remove that are none: write them as L5.H1-L5.H10.",
        lambda heads: "-".join(map(str, heads)),
    ),
    _Part(
        "watch",
        "watch",
        _name,
        "The address holds no token to watch: the one expected most is watched.",
    ),
    _switch("patching", "patching", "heads are removed"),
    _Part(
        "pair",
        "pair",
        _one_of(lambda: [*guided_pairs(), OWN]),
        "The address names a pair of texts that does not exist: the first one is shown.",
    ),
    _Part(
        "what",
        "what",
        lambda word: _one_of(lambda: WHATS)(word.replace("_", " ")),
        f"The address names nothing that can be patched: {WHATS[0]}s are.",
        lambda what: what.replace(" ", "_"),
    ),
    _switch("noising", "noising", "the clean text's part is put into the other"),
    _switch("by_position", "by_position", "all positions are patched at once"),
    _Part(
        "circuit",
        "circuit",
        Collected.parse,
        "The address holds a circuit that is none: collect its heads again.",
    ),
    _Part(
        "with",
        "second",
        _second_model,
        "The address names a second model that is not here: choose one of those offered.",
    ),
    _switch("training", "training", "models are compared"),
    _switch("projector", "projector", "the teacher's view is shown"),
    *(
        _Part(name, name, _name, "The address holds a room that could not exist: none is entered.")
        for name in ("room", "me", "teacher")
    ),
)


def parse(query: Mapping[str, str]) -> tuple[Selection, list[str]]:
    """The selection an address asks for, and a sentence about each part it cannot have."""
    chosen, complaints = {}, []
    for part in _PARTS:
        if part.name in query:
            try:
                chosen[part.attribute] = part.read(query[part.name])
            except (ValueError, KeyError):  # HeadlabError is a ValueError
                complaints.append(part.complaint)
    return Selection(**chosen), complaints


def fit(selection: Selection, n_layers: int, n_heads: int) -> tuple[Selection, list[str]]:
    """The nearest selection that the model has, and a sentence about each change."""
    complaints = []
    model = selection.model
    layer = min(max(selection.layer, 0), n_layers - 1)
    if layer != selection.layer != ANY_LAYER:
        complaints.append(f"{model} has no layer {selection.layer}: layer {layer} is shown.")
    head = selection.head
    if head is not None and not 0 <= head < n_heads:
        complaints.append(f"{model} has no head {head} in a layer: no head is chosen.")
        head = None
    beside = selection.beside
    if beside is not None and not (beside.layer < n_layers and beside.head < n_heads):
        complaints.append(f"{model} has no head {beside}: nothing is put beside.")
        beside = None
    removed = tuple(h for h in selection.removed if h.layer < n_layers and h.head < n_heads)
    if removed != selection.removed:
        complaints.append(f"{model} lacks some of the heads to remove: they are left out.")
    circuit = selection.circuit
    if circuit and not all(h.layer < n_layers and h.head < n_heads for h in circuit.heads):
        complaints.append(f"{model} lacks some of the heads of the circuit: it is left out.")
        circuit = None
    only = tuple(layer for layer in selection.only if 0 <= layer < n_layers)
    if only != selection.only:
        complaints.append(f"{model} has only layers 0 to {n_layers - 1}: the others are left out.")
    fitting = replace(
        selection,
        layer=layer,
        head=head,
        beside=beside,
        only=only,
        removed=removed,
        circuit=circuit,
    )
    return fitting, complaints


def current() -> tuple[Selection, list[str]]:
    """What the address bar asks for; a text in a copied link becomes the learner's own.

    Where it names no model, the one is meant that was this machine's first when the session began.
    """
    query = st.query_params.to_dict()
    if "model" not in query:
        query["model"] = st.session_state.setdefault(_FIRST_MODEL, default_model())
    if LINKED_TEXT in query:
        st.session_state[OWN_TEXT] = query[LINKED_TEXT]
        query["text"] = OWN
        if LINKED_FACTS in query:
            _take_facts(query)
    return parse(query)


def choose(selection: Selection) -> None:
    """Put a selection into the address bar.

    It is sent even where it seems to stand there: a link to the page that is open changes what
    Streamlit knows and leaves the address bar behind. The browser ignores what is right already.
    """
    st.query_params.from_dict(selection.as_query())


def change(**changes: Any) -> None:
    """Change parts of the selection; meant for callbacks, which run before the page."""
    choose(current()[0].with_changes(**changes))


def bound(
    key: str, value: Any, take: Callable[[Any], Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Arguments that tie a widget to the selection: it shows ``value``, and a change is taken over.

    ``take`` turns the widget's new value into changes of the selection; without it, ``key`` names
    the part that the value replaces.
    """
    st.session_state[key] = value

    def taken() -> None:
        chosen = st.session_state[key]
        change(**(take(chosen) if take else {key: chosen}))

    return {"key": key, "on_change": taken}


def empty_for(about: Any, values: Mapping[str, Any]) -> None:
    """Set widgets, by key, back to these values when what they are about is no longer the same.

    Keys that name it would not do: Streamlit never forgets a key that it has seen, and a session
    would grow with every text. Nor does it keep the value of a widget that a run did not come to,
    or tell the browser again what a run that was cut short has set: so it is set several times.
    """
    last = f"{', '.join(values)}: about"
    known, times = st.session_state.get(last, (None, 0))
    if known != about or any(key not in st.session_state for key in values):
        st.session_state.update({**values, last: (about, 1)})
    elif times < SET_AGAIN:
        st.session_state.update({key: st.session_state[key] for key in values})
        st.session_state[last] = (about, times + 1)


def own_text() -> str:
    """The learner's own text, kept while they move between pages."""
    return str(st.session_state.get(OWN_TEXT) or "")


def _take_facts(query: Mapping[str, str]) -> None:
    """The facts of a copied link, as if they had been marked here; what is none is passed over."""
    with suppress(ValueError, RecursionError):
        pairs = json.loads(query[LINKED_FACTS])
        marks = {"model": query["model"], "text": query[LINKED_TEXT], "pairs": pairs}
        st.session_state[MARKS] = json.dumps(marks)


def link_with_text(selection: Selection, facts: Sequence[Any] = ()) -> str:
    """The address of this view with the learner's own text and marked facts, to be copied."""
    query = selection.as_query() | {LINKED_TEXT: own_text()}
    if facts:
        query[LINKED_FACTS] = json.dumps(facts, separators=(",", ":"))
    query.pop("text", None)
    return f"{str(st.context.url).partition('?')[0]}?{urlencode(query)}"
