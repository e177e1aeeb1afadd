"""Everything that a learner has chosen, and how an address says it: no page, only words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

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
ANY_LAYER = -1  # none has been chosen: the page opens where there is something to see
MAX_NAME = 100
Reads = Literal["text", "tokens", "chat"]
READS: dict[Reads, str] = {"text": "as text", "tokens": "as tokens", "chat": "as a chat turn"}
NAME_MAPS = "name-copying"  # ready-made views of the rankings
# what ``key`` belongs to
_LOOKS = {"model", "text_name", "start_token", "reads", "layer", "head", "token"}
UPLOADED = "uploaded"  # a second model of which only this session has the profile


@dataclass(frozen=True)
class Selection:
    """Everything a learner has chosen.

    ``reads`` says what names of special tokens in the text are (:data:`READS`).
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
    reads: Reads = "text"
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
        start = Selection(model="")
        return {
            part.name: part.write(value)
            for part in _PARTS
            if (value := getattr(self, part.attribute)) != getattr(start, part.attribute)
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
        "reads",
        "reads",
        _one_of(lambda: READS),
        "The address names no way to read special tokens: their names are text.",
    ),
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
