"""One text on one model: tokens, patterns, shape hints, and which behaviours wake on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from headlab.behaviours import Prompt, Spans, get_behaviour
from headlab.behaviours.base import MIN_ROWS
from headlab.errors import HeadlabError
from headlab.heads import Head, HeadName
from headlab.measuring.confidence import on_scale
from headlab.measuring.continuing import Continuation, continue_text
from headlab.measuring.effort import effort_of_reading
from headlab.measuring.notebook import InNotebook
from headlab.measuring.one_pass import SHAPES, one_pass
from headlab.measuring.pictures import Pictures
from headlab.measuring.scoring import token_codes
from headlab.measuring.spans import find_spans
from headlab.models.attention import Tap, run
from headlab.models.loaded import LoadedModel
from headlab.models.memory import check_reading, free_memory
from headlab.models.tokens import (
    StartToken,
    resolve_start_token,
    token_text,
    tokenise,
)

ACTIVE = "active"
QUIET = "quiet"
TOO_LITTLE = "too little to tell"
CANNOT = "cannot be triggered by this text"

DOMINANT = 0.5
EVEN = 0.8
TOGETHER = 32_000  # tokens squared, times texts: more in one pass is no faster


@dataclass(frozen=True)
class Hint:
    """The shape of one head's picture on one text: a description, not a category.

    ``shares`` of the attention of rows q >= 2 on the first, current and previous token, on the
    tokens 2 to 4 back ("local", never position 0), and on the rest ("far"); they sum to 1.
    ``entropy`` is the mean normalised entropy of those rows, 0 to 1.
    """

    shares: Mapping[str, float]
    entropy: float

    @property
    def shape(self) -> str:
        """One of the shapes, "diffuse", "mixed", or "too short to tell"."""
        if np.isnan(self.entropy):
            return "too short to tell"
        if self.entropy >= EVEN:
            return "diffuse"
        largest = max(self.shares, key=lambda shape: self.shares[shape])
        return SHAPES[largest] if self.shares[largest] >= DOMINANT else "mixed"

    @property
    def share(self) -> float:
        """The share behind the shape; NaN for a shape that has none."""
        for key, shape in SHAPES.items():
            if shape == self.shape:
                return self.shares[key]
        return float("nan")

    def __str__(self) -> str:
        """As under a thumbnail: "first token 71 %", "diffuse", "mixed"."""
        return self.shape if np.isnan(self.share) else f"{self.shape} {round(100 * self.share)} %"


@dataclass(frozen=True, eq=False)
class Reading(InNotebook):
    """What every head of a model does on one text.

    ``patterns`` float32 [kept layer, head, query, key] holds the layers named in ``layers``; every
    layer is scored. ``scores`` and ``chance`` map a behaviour to [layer, head], NaN where the text
    cannot test it; ``rows`` to the number of eligible query rows. On a text, targets that two
    behaviours share are left out (see each behaviour's ``text_targets``). ``shares`` (of
    each shape) and ``entropy``, [layer, head], are what hints say in words. Where they were asked
    for, ``pictures`` and ``pictures_without_first`` (through the sink lens) are what is drawn of
    every head, and ``values`` float32 [kept layer, head, key, d_head] the value vectors. Where the
    model went on with the text, ``continuation`` says how; it wrote the last ``written`` tokens.
    ``special_tokens``: names of special tokens in the text were read as these tokens.
    """

    model_name: str
    start_token: int | None
    start_text: str | None
    text: str
    tokens: list[int]
    token_texts: list[str]
    layers: tuple[int, ...]
    patterns: np.ndarray = field(repr=False)
    scores: dict[str, np.ndarray] = field(repr=False)
    chance: dict[str, np.ndarray] = field(repr=False)
    rows: dict[str, int]
    shares: dict[str, np.ndarray] = field(repr=False)
    entropy: np.ndarray = field(repr=False)
    spans: Spans | None = None
    pictures: Pictures | None = field(default=None, repr=False)
    pictures_without_first: Pictures | None = field(default=None, repr=False)
    values: np.ndarray | None = field(default=None, repr=False)
    continuation: Continuation | None = None
    special_tokens: bool = False

    @property
    def written(self) -> int:
        """Tokens at the end that the model wrote itself."""
        return self.continuation.n_written if self.continuation else 0

    @property
    def n_layers(self) -> int:
        """Layers of the model, kept or not."""
        return len(self.entropy)

    @property
    def n_heads(self) -> int:
        """Heads in each layer."""
        return len(self.entropy[0])

    def hint(self, layer: int, head: int) -> Hint:
        """The shape of one head's picture on this text."""
        shares = {key: float(share[layer, head]) for key, share in self.shares.items()}
        return Hint(shares, float(self.entropy[layer, head]))

    @cached_property
    def hint_texts(self) -> list[list[str]]:
        """Every hint as under a thumbnail, [layer][head]."""
        heads = range(self.n_heads)
        return [[str(self.hint(layer, head)) for head in heads] for layer in range(self.n_layers)]

    def pattern(self, layer: int, head: int) -> np.ndarray:
        """The pattern [query, key] of one head; an error if its layer was not kept."""
        if layer not in self.layers:
            raise HeadlabError(
                f"The patterns of layer {layer} were not kept: read the text with layer {layer}."
            )
        return self.patterns[self.layers.index(layer), head]

    def show(self, layer: int = 0, profile: Any = None) -> Any:
        """All heads of a layer in a notebook: :func:`headlab.show` of this reading."""
        import headlab  # its names stand to the right, and are only asked for here

        return headlab.show(self, layer, profile)

    def plot(self, head: HeadName) -> Any:
        """One head's attention as a plotly figure: :func:`headlab.plot` of this reading."""
        import headlab

        return headlab.plot(self, head)

    def to_frame(self) -> pd.DataFrame:
        """One line for each head: layer, head, name, what its picture shows, every score."""
        layer, head = np.indices(self.entropy.shape)
        places = list(zip(layer.ravel().tolist(), head.ravel().tolist(), strict=True))
        facts = {
            "layer": layer.ravel(),
            "head": head.ravel(),
            "name": [str(Head(*place)) for place in places],
            "here": [str(self.hint(*place)) for place in places],
        }
        return pd.DataFrame(facts | {name: s.ravel() for name, s in self.scores.items()})

    def value(self, behaviour: str) -> np.ndarray:
        """The score on its threshold's scale, [layer, head]: excess, or raw."""
        return on_scale(get_behaviour(behaviour), self.scores[behaviour], self.chance[behaviour])

    @cached_property
    def status(self) -> dict[str, np.ndarray]:
        """Per behaviour [layer, head]: active, quiet, too little to tell, or cannot be triggered.

        Active: as many eligible rows as the behaviour needs (``min_rows``), and a value of at least
        half the threshold, or all of it for resting behaviours (``active_from``). Whoever shows a
        verdict asks here; :meth:`is_thin` says where it rests on few rows.
        """
        status = {}
        shape = (self.n_layers, self.n_heads)
        for name in self.scores:
            rows, about = self.rows[name], get_behaviour(name)
            usual = QUIET if rows >= about.min_rows else TOO_LITTLE if rows else CANNOT
            status[name] = np.full(shape, usual, dtype=object)
            if usual == QUIET:
                status[name][self.value(name) >= about.active_from] = ACTIVE
        return status

    def is_thin(self, behaviour: str) -> bool:
        """Whether a verdict here rests on fewer rows than the usual ones."""
        return 0 < self.rows[behaviour] < MIN_ROWS

    def targets(self, behaviour: str) -> np.ndarray | None:
        """The cells [query, key] that a behaviour asks for on this text; None if it names none."""
        about = get_behaviour(behaviour)
        find = about.text_targets or about.targets
        if find is None:
            return None
        return find(token_codes(self.tokens), self.token_texts, self.spans)

    def active(self, layer: int, head: int) -> list[str]:
        """Names of the behaviours that this head shows on this text."""
        return [name for name, status in self.status.items() if status[layer, head] == ACTIVE]


def read_text(
    model: LoadedModel,
    text: str,
    layers: Iterable[int] | None = None,
    start_token: StartToken = "model",
    entities: Sequence[tuple[str, str]] | None = None,
    spans: Spans | None = None,
    pictures: bool = False,
    values: bool = False,
    continue_by: int = 0,
    seed: int | None = None,
) -> Reading:
    """Run ``text`` through ``model`` and score every head on every behaviour a text can show.

    Parameters
    ----------
    layers : layers whose patterns are kept (default: all); every layer is scored.
    start_token : "model" for the model's own policy, a token id, or None for no start token.
    entities : entity/attribute pairs as they stand in the text, which retrieval needs; the entity
        mentioned last is the one asked for, the query is the last token.
    spans : the same as token positions, start token counted (see ``marked_spans``).
    pictures : whether every head's pictures are drawn too, plain and through the sink lens.
    values : whether the value vectors of the kept layers are kept too.
    continue_by : how many tokens the model may write on first, up to 40; ``seed`` as for
        ``continue_text``.

    All of it comes from one forward pass, and one more for each token written.

    Raises
    ------
    HeadlabError : a text that cannot be read, a layer that does not exist, an entity or attribute
        that is not in the text.
    """
    start = resolve_start_token(model, start_token)
    longer = continue_text(model, text, continue_by, seed, start) if continue_by else None
    text = text if longer is None else longer.whole
    tokens, token_texts = tokenise(model, text, start)
    kept = _checked_layers(model, layers)
    if entities:
        spans = find_spans(model, text, entities, start)
    check_reading(
        len(tokens),
        effort_of_reading(model, len(tokens), len(kept)).n_bytes,
        free_memory(model.device),
    )
    prompt = Prompt(tuple(tokens), tuple(token_texts), spans)
    (found,) = one_pass(model, [prompt], kept, pictures, values)
    return _reading(model, start, text, prompt, found, longer)


def read_texts(
    model: LoadedModel,
    texts: Iterable[str],
    layers: Iterable[int] | None = None,
    start_token: StartToken = "model",
    *,
    batch_size: int = 32,
    progress: Callable[[float, str], None] | None = None,
) -> list[Reading]:
    """Read many texts, those of like length together; the readings stand in the order given.

    Parameters
    ----------
    layers : layers whose patterns are kept of each text (default: all). Give ``()`` for many
        texts: scores and shares of every layer are there anyway.
    start_token : as for :func:`read_text`.
    batch_size : the most texts in one pass; long texts are read fewer at a time.

    Raises
    ------
    HeadlabError : as :func:`read_text`, with the number of the text that cannot be read, from 1.

    >>> from headlab import load_model
    >>> [r.text for r in read_texts(load_model("mini"), ["The cat sat.", "It rained."], ())]
    ['The cat sat.', 'It rained.']
    """
    start = resolve_start_token(model, start_token)
    kept = _checked_layers(model, layers)
    given = list(texts)
    prompts = []
    for number, text in enumerate(given, 1):
        try:
            tokens, token_texts = tokenise(model, text, start)
            n_bytes = effort_of_reading(model, len(tokens), len(kept)).n_bytes
            check_reading(len(tokens), n_bytes, free_memory(model.device))
        except HeadlabError as error:
            raise HeadlabError(f"Text {number} of {len(given)}: {error}") from error
        prompts.append(Prompt(tuple(tokens), tuple(token_texts)))
    order = sorted(range(len(given)), key=lambda at: len(prompts[at].tokens))
    found: dict[int, Reading] = {}
    while order:
        longest = order[:batch_size]
        size = max(1, min(batch_size, TOGETHER // len(prompts[longest[-1]].tokens) ** 2))
        part, order = order[:size], order[size:]
        read = one_pass(model, [prompts[at] for at in part], kept)
        for at, fields in zip(part, read, strict=True):
            found[at] = _reading(model, start, given[at], prompts[at], fields)
        if progress is not None:
            progress(len(found) / len(given), f"{len(found)} of {len(given)} texts")
    return [found[at] for at in range(len(given))]


def _reading(
    model: LoadedModel,
    start: int | None,
    text: str,
    prompt: Prompt,
    found: dict[str, Any],
    longer: Continuation | None = None,
) -> Reading:
    return Reading(
        model_name=model.name,
        start_token=start,
        start_text=None if start is None else token_text(model, start),
        text=text,
        tokens=list(prompt.tokens),
        token_texts=list(prompt.token_texts or ()),
        spans=prompt.spans,
        continuation=longer,
        special_tokens=model.special_tokens,
        **found,
    )


@dataclass(frozen=True, eq=False)
class LayerOfText:
    """One layer on one text: ``patterns`` [head, query, key], ``values`` [head, key, d_head]."""

    patterns: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)


def read_layer(
    model: LoadedModel, text: str, layer: int, start_token: StartToken = "model"
) -> LayerOfText:
    """The patterns and value vectors of one layer; nothing later is computed, nothing scored.

    Errors as for :func:`read_text`.
    """
    tokens, _ = tokenise(model, text, resolve_start_token(model, start_token))
    (layer,) = _checked_layers(model, [layer])
    n = len(tokens)
    check_reading(n, effort_of_reading(model, n, 1).n_bytes, free_memory(model.device))
    patterns = np.empty((model.n_heads, n, n), dtype=np.float32)
    values: list[np.ndarray] = []

    def read(at, heads, pattern):
        if at == layer:
            patterns[heads] = pattern[0].float().cpu().numpy()

    def read_value(at, value):
        if at == layer:
            values.append(value[0].float().cpu().numpy())

    tap = Tap(read_heads=read, edit_value=read_value, last_layer=layer)
    run(model.network, model.as_batch([tokens]), tap)
    return LayerOfText(patterns, values[0])


def _checked_layers(model: LoadedModel, layers: Iterable[int] | None) -> tuple[int, ...]:
    kept = tuple(range(model.n_layers)) if layers is None else tuple(dict.fromkeys(layers))
    for layer in kept:
        if layer not in range(model.n_layers):
            raise HeadlabError(
                f"{model.name} has no layer {layer}: its layers run from 0 to {model.n_layers - 1}."
            )
    return kept


def strongest_pairs(pattern: np.ndarray, token_texts: Sequence[str], top: int = 10) -> pd.DataFrame:
    """The ``top`` cells of a pattern [query, key] with the most attention, and their tokens.

    The first row is left out: the first token has only itself to look at. NaN cells are left out.
    """
    cells = np.where(np.tri(len(pattern), dtype=bool), pattern, np.nan)[1:]
    order = np.argsort(-cells, axis=None, kind="stable")[:top]  # NaN comes last
    found = [int(i) for i in order if not np.isnan(cells.flat[i])]
    places = [(i // len(pattern) + 1, i % len(pattern)) for i in found]
    return pd.DataFrame(
        {
            "query": [q for q, _ in places],
            "query token": [token_texts[q] for q, _ in places],
            "key": [k for _, k in places],
            "key token": [token_texts[k] for _, k in places],
            "attention": [float(pattern[q, k]) for q, k in places],
        }
    )
