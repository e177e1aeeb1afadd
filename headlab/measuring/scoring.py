"""Patterns x targets -> scores. Pure: nothing is loaded, written or changed here.

One implementation serves one prompt and a batch, a streaming profile and patterns from anywhere.
Scores average over eligible query rows, the rows with at least one target. Where there is none the
score is NaN, "cannot be tested on this text", never 0.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from headlab.behaviours import Behaviour, Prompt, Spans, behaviours, get_behaviour
from headlab.errors import HeadlabError
from headlab.models import kernels, logit_lens
from headlab.models.anatomy import anatomy
from headlab.models.loaded import LoadedModel
from headlab.models.weights import OwnTokens

ROW_SUM_TOLERANCE = 0.02
MIN_CHANGE = 0.05  # of a score or a share of attention; what differs by less looks alike


def token_codes(tokens: Sequence[int] | Sequence[str] | np.ndarray) -> np.ndarray:
    """Tokens, ids or strings, as integers that are equal exactly where the tokens are."""
    return np.unique(np.asarray(tokens), return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True)
class Measured:
    """One behaviour on some prompts.

    ``score`` and ``chance`` are [prompt, layer, head], NaN where a prompt cannot test the
    behaviour; ``rows`` the number of eligible query rows [prompt].
    """

    score: np.ndarray
    chance: np.ndarray
    rows: np.ndarray

    def and_then(self, more: "Measured") -> "Measured":
        """These prompts and more, in this order."""
        pairs = ((self.score, more.score), (self.chance, more.chance), (self.rows, more.rows))
        return Measured(*(np.concatenate(pair) for pair in pairs))


Weighted = tuple[np.ndarray, float]  # cells [query, key] and the one weight of them all


class LayerScores(NamedTuple):
    """What one layer's pattern gives, each [prompt, head] by name.

    ``score`` and ``chance`` by behaviour, NaN where a prompt cannot test it; ``extra`` the
    weighted attention on the further cells that a batch was given.
    """

    score: dict[str, np.ndarray]
    chance: dict[str, np.ndarray]
    extra: dict[str, np.ndarray]


class _Columns:
    """Cells [prompt, query, key] to sum a pattern over, times one weight for each prompt.

    The cells of all columns stand in one array, so that one product with a layer's patterns gives
    every sum.
    """

    def __init__(self, n_prompts: int, n: int) -> None:
        self._shape = (n_prompts, n, n)
        self._place: dict[Hashable, int] = {}
        self._cells: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self._tensors: tuple[Any, Any] | None = None

    def add(self, name: Hashable, of_prompts: Iterable[Weighted | None]) -> None:
        """A column: of each prompt its cells [query, key] and their weight."""
        cells = np.zeros(self._shape, dtype=bool)
        weights = np.zeros(len(cells), dtype=np.float32)
        for index, of_prompt in enumerate(of_prompts):
            if of_prompt is not None:
                mine, weights[index] = of_prompt
                cells[index, : len(mine), : len(mine)] = mine
        self._place[name] = len(self._place)
        self._cells.append(cells)
        self._weights.append(weights)

    def sums(self, pattern: Any) -> dict[Hashable, np.ndarray]:
        """Of a layer's pattern, [prompt, head] by column."""
        if not self._place:
            return {}
        if self._tensors is None:
            cells, weights = np.stack(self._cells, -1), np.stack(self._weights, -1)
            self._cells.clear()
            self._tensors = (
                kernels.as_tensor(cells, like=pattern),
                kernels.as_tensor(weights, like=pattern),
            )
        sums = kernels.cell_sums(pattern, *self._tensors).cpu().numpy()
        return {name: sums[..., index] for name, index in self._place.items()}


@dataclass(frozen=True)
class NamesRead:
    """The residual stream after block 0 at every name of some prompts.

    Tensors ``residual`` [name, d_model] and ``names`` [name], the token ids; ``means`` [prompt,
    name] averages over a prompt's names, NaN for a prompt without any.
    """

    residual: Any
    names: Any
    means: np.ndarray


class Batch:
    """Some prompts and behaviours, made ready to be scored layer by layer.

    ``extra`` are further cells [query, key] of each prompt by name, and their weight. Where prompts
    have names, the tap of their pass needs the batch's ``edit_residual`` too.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        chosen: Sequence[Behaviour],
        *,
        on_text: bool = False,
        model: LoadedModel | None = None,
        extra: Sequence[Mapping[str, Weighted]] = (),
    ) -> None:
        self.prompts, self.behaviours, self.model = prompts, chosen, model
        self.lengths = np.array([len(prompt.tokens) for prompt in prompts])
        self.rows = {b.name: np.zeros(len(prompts), dtype=int) for b in chosen}
        self.names_read: NamesRead | None = None
        self._own_tokens: OwnTokens | None = None
        self._moved: tuple[int, tuple[Any, Any]] | None = None
        self._even_chance: dict[str, np.ndarray] = {}
        self._columns = _Columns(len(prompts), int(self.lengths.max()))
        self._extra = list(extra[0]) if extra else []
        for behaviour in chosen:
            if behaviour.targets is not None:
                self._add_targets(behaviour, on_text)
            else:
                assert behaviour.n_rows is not None
                self.rows[behaviour.name] = np.array([behaviour.n_rows(p) for p in prompts])
        for name in self._extra:
            self._columns.add(("extra", name), [cells[name] for cells in extra])

    def _add_targets(self, behaviour: Behaviour, on_text: bool) -> None:
        """The cells of one behaviour on each prompt, and those of its chance or even chance."""
        find = behaviour.text_targets if on_text and behaviour.text_targets else behaviour.targets
        assert find is not None
        targets: list[Weighted | None] = [None] * len(self.prompts)
        chances: list[Weighted | None] = [None] * len(self.prompts)
        even = np.full(len(self.prompts), np.nan)
        for index, prompt in enumerate(self.prompts):
            codes = token_codes(prompt.tokens)
            cells = find(codes, prompt.token_texts, prompt.spans)
            if cells is None or not cells.any():
                continue
            rows = cells.any(axis=-1)
            n_rows = int(rows.sum())
            self.rows[behaviour.name][index] = n_rows
            targets[index] = cells, 1 / n_rows
            even[index] = (cells.sum(-1) / np.arange(1, len(cells) + 1))[rows].mean()
            if behaviour.chance_cells is not None:
                cells, weight = behaviour.chance_cells(codes, prompt.token_texts, prompt.spans)
                chances[index] = cells, weight / n_rows
        self._columns.add(("score", behaviour.name), targets)
        if behaviour.chance_cells is None:
            self._even_chance[behaviour.name] = even
        else:
            self._columns.add(("chance", behaviour.name), chances)

    def raised_and_lowered(self, layer: int, value: Any) -> tuple[Any, Any]:
        """See :class:`headlab.models.weights.OwnTokens`; found once for all that ask of a layer."""
        if self._moved is None or self._moved[0] != layer:
            assert self.model is not None
            if self._own_tokens is None:
                tokens = self.model.as_batch([prompt.tokens for prompt in self.prompts])
                self._own_tokens = OwnTokens(self.model.network, tokens, self.lengths.tolist())
            self._moved = layer, self._own_tokens.raised_and_lowered(layer, value)
        return self._moved[1]

    @property
    def edit_residual(self) -> Callable[[int, Any], None] | None:
        """For a tap: notes what the names of the prompts have become before block 1."""
        return self._note_names if any(prompt.names for prompt in self.prompts) else None

    def _note_names(self, layer: int, residual: Any) -> None:
        if layer != 1:
            return
        assert self.model is not None
        prompt, place = (
            np.array([(i, k) for i, p in enumerate(self.prompts) for k in p.names], dtype=int)
            .reshape(-1, 2)
            .T
        )
        tokens = self.model.as_batch([p.tokens for p in self.prompts])
        mine = (prompt == np.arange(len(self.prompts))[:, None]).astype(float)
        with np.errstate(invalid="ignore"):
            means = mine / mine.sum(-1, keepdims=True)
        self.names_read = NamesRead(residual[prompt, place], tokens[prompt, place], means)

    def score_layer(self, layer: int, pattern: Any, value: Any = None) -> LayerScores:
        """Scores and chances of one layer's pattern, a tensor [prompt, head, query, key]."""
        run = LayerRun(self, layer, pattern, value)
        sums = self._columns.sums(pattern)
        attends = self.model is None or bool(anatomy(self.model.network).layers[layer].attention)
        found = LayerScores({}, {}, {name: sums["extra", name] for name in self._extra})
        for behaviour in self.behaviours:
            name = behaviour.name
            if layer < behaviour.first_layer or not attends:
                score = chance = np.full((len(self.prompts), pattern.shape[1]), np.nan)
            elif behaviour.measure is not None:
                score, chance = map(_as_array, behaviour.measure(run))
            else:
                score = sums["score", name]
                if name in self._even_chance:
                    chance = np.broadcast_to(self._even_chance[name][:, None], score.shape)
                else:
                    chance = sums["chance", name]
            untested = self.rows[name][:, None] == 0
            found.score[name] = np.where(untested, np.nan, score)
            found.chance[name] = np.where(untested, np.nan, chance)
        return found

    def mean_entropy(self, pattern: Any, first_row: int) -> np.ndarray:
        """Mean normalised entropy of the rows from ``first_row`` on, [prompt, head]."""
        return LayerRun(self, 0, pattern).mean_entropy(first_row).cpu().numpy()


def _as_array(values: Any) -> np.ndarray:
    """What a behaviour measured, a tensor or already an array, as an array."""
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


@dataclass(frozen=True)
class LayerRun:
    """One layer of one batch: what a behaviour's ``measure`` may look at, and must not change.

    ``pattern`` [prompt, head, query, key] and ``value`` [prompt, head, key, d_head] are tensors,
    padded at the end to the longest prompt.
    """

    batch: Batch
    layer: int
    pattern: Any
    value: Any = None

    @property
    def model(self) -> Any:
        """The loaded model (None for patterns from elsewhere)."""
        return self.batch.model

    @property
    def prompts(self) -> Sequence[Prompt]:
        """The prompts of this batch."""
        return self.batch.prompts

    @property
    def raised_and_lowered(self) -> tuple[Any, Any]:
        """Where a head's output raises, and lowers, the token read most: [prompt, head, key]."""
        return self.batch.raised_and_lowered(self.layer, self.value)

    @cached_property
    def lengths(self) -> Any:
        """Number of tokens of each prompt [prompt]."""
        return self.as_tensor(self.batch.lengths)

    @cached_property
    def names_written(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of a prompt's names that a head writes, and writes against, [prompt, head]."""
        read = self.batch.names_read
        if read is None:
            assert self.batch.edit_residual is None, "the tap of this pass lacks edit_residual"
            nothing = np.full((len(self.prompts), self.pattern.shape[1]), np.nan)
            return nothing, nothing
        found = logit_lens.names_written(self.model.network, self.layer, read.residual, read.names)
        writes, against = (read.means @ hit.cpu().numpy().astype(float) for hit in found)
        return writes, against

    def as_tensor(self, array: np.ndarray) -> Any:
        """A numpy array as a tensor beside the pattern."""
        return kernels.as_tensor(array, like=self.pattern)

    def mean_entropy(self, first_row: int) -> Any:
        """Mean normalised entropy of the rows from ``first_row`` on, [prompt, head]."""
        return kernels.normalised_entropy(self.pattern, first_row, self.lengths)


def score_patterns(
    patterns: np.ndarray,
    tokens: Any,
    behaviours: Iterable[str] | str | None = None,
    token_texts: Any = None,
    spans: Any = None,
    with_chance: bool = False,
) -> Any:
    """Score attention patterns from anywhere on the named pattern behaviours.

    Parameters
    ----------
    patterns : array [layer, head, query, key] of probabilities, or [batch, layer, head, query,
        key]; causal, rows summing to 1 within 0.02. It is only read. Also what transformers
        returns with ``output_attentions=True``: tensors [batch, head, query, key], one a layer, on
        any device and of any type; of one prompt the batch axis is left out of the result.
    tokens : n ids or strings, compared by equality; [batch, n] for a batch.
    behaviours : names; by default every behaviour that patterns alone can show.
    token_texts : the tokens' texts, which punctuation needs (else NaN); strings given as
        ``tokens`` are not taken for texts.
    spans : for retrieval (else NaN): ``Spans``, or a mapping with key positions ``attribute`` and
        ``others``, or just the attribute's positions; a list of them for a batch.

    with_chance : also return what even attention would give (for some behaviours, the head's own
        attention spread over like places), in a second dict of the same form.

    Returns
    -------
    dict from behaviour to float array [layer, head] ([batch, layer, head]): the mean over eligible
    query rows of the attention on the behaviour's target cells (for ``diffuse``, of the normalised
    entropy), 0 to 1; NaN where no row is eligible. With ``with_chance`` a pair of such dicts.

    Raises
    ------
    HeadlabError : shapes that do not fit, rows that are no probabilities, an unknown behaviour, or
        one that needs the model itself.

    Source: measures after Olsson et al. 2022, Wang et al. 2022 and Wu et al. 2024; see each
    behaviour's file.

    >>> import numpy as np
    >>> previous = np.eye(4, k=-1); previous[0, 0] = 1
    >>> score_patterns(previous[None, None], [5, 6, 7, 8], "previous_token")
    {'previous_token': array([[1.]])}
    """
    chosen = _pattern_behaviours(behaviours)
    given, patterns = patterns, kernels.stacked_layers(patterns)
    if patterns is not given and len(patterns) == 1 and not _is_batch(tokens):
        patterns = patterns[0]
    try:
        array = np.asarray(patterns)
    except ValueError as error:
        raise HeadlabError(
            "The patterns are no regular array: every head needs as many rows and columns as the "
            "others."
        ) from error
    single = array.ndim == 4
    if array.ndim not in (4, 5) or array.shape[-1] != array.shape[-2] or 0 in array.shape:
        raise HeadlabError(
            f"The patterns have shape {array.shape}: give [layer, head, query, key], or [batch, "
            "layer, head, query, key], with as many keys as queries."
        )
    if single:
        array, tokens = array[None], [tokens]
        token_texts, spans = [token_texts], [spans]
    n_prompts, n_layers, n_heads, n, _ = array.shape
    texts = [None] * n_prompts if token_texts is None else list(token_texts)
    marked = [None] * n_prompts if spans is None else list(spans)
    rows = [np.ravel(row).tolist() for row in (tokens if np.iterable(tokens) else [tokens])]
    if len(rows) != n_prompts or any(len(row) != n for row in rows):
        raise HeadlabError(
            f"The tokens do not fit the patterns: {n_prompts} x {n} tokens are needed, one for "
            "each query position."
        )
    if len(texts) != n_prompts or any(t is not None and len(t) != n for t in texts):
        raise HeadlabError(f"The token texts do not fit the patterns: {n} texts are needed.")
    if len(marked) != n_prompts:
        raise HeadlabError(f"{n_prompts} spans are needed, one for each prompt of the batch.")
    array = _checked(array)
    prompts = [
        Prompt(tuple(row), None if text is None else tuple(text), _as_spans(span, n))
        for row, text, span in zip(rows, texts, marked, strict=True)
    ]
    batch = Batch(prompts, chosen)
    # layers and heads are alike here: [batch, layer x head, query, key]
    pattern = kernels.as_tensor(array.reshape(n_prompts, n_layers * n_heads, n, n))
    found = batch.score_layer(0, pattern)
    shape = (n_prompts, n_layers, n_heads)

    def shaped(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = {b.name: values[b.name].astype(float).reshape(shape) for b in chosen}
        return {name: array[0] if single else array for name, array in arrays.items()}

    return (shaped(found.score), shaped(found.chance)) if with_chance else shaped(found.score)


def _is_batch(tokens: Any) -> bool:
    """Whether there are tokens of several prompts, and not those of one."""
    return np.iterable(tokens) and any(np.iterable(t) and not isinstance(t, str) for t in tokens)


def _pattern_behaviours(names: Iterable[str] | str | None) -> list[Behaviour]:
    if names is None:
        return [b for b in behaviours().values() if not b.needs_model]
    chosen = [get_behaviour(name) for name in ([names] if isinstance(names, str) else names)]
    for behaviour in chosen:
        if behaviour.needs_model:
            raise HeadlabError(
                f"{behaviour.title} is measured on what a head writes, so patterns alone cannot "
                "show it: use profile_model."
            )
    return chosen


def _checked(array: np.ndarray) -> np.ndarray:
    """The patterns in float32 or float64, if they are causal probabilities."""
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise HeadlabError(f"The patterns hold {array.dtype}, not numbers: give probabilities.")
    array = array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)
    if not np.isfinite(array).all():
        raise HeadlabError("The patterns hold values that are not finite: give probabilities.")
    sums = array.sum(-1, dtype=np.float64)
    worst = float(np.abs(sums - 1).max())
    if worst > ROW_SUM_TOLERANCE + 1e-6 or array.min() < -1e-6:
        raise HeadlabError(
            f"The patterns are no probabilities (a row misses a sum of 1 by {worst:.3f}): give "
            "attention after the softmax, each row summing to 1."
        )
    future = float(np.triu(array, 1).sum(-1).max())
    if future > ROW_SUM_TOLERANCE:
        raise HeadlabError(
            f"The patterns look ahead (a row has {future:.3f} on later tokens): axes are layer, "
            "head, query, key, and only causal attention can be scored."
        )
    return array


def _as_spans(spans: Any, n: int) -> Spans | None:
    if spans is None:
        return None
    if isinstance(spans, Mapping):
        spans = Spans(tuple(spans.get("attribute", ())), tuple(spans.get("others", ())))
    elif not isinstance(spans, Spans):
        spans = Spans(tuple(spans))
    if any(not 0 <= k < n for k in (*spans.attribute, *spans.others)):
        raise HeadlabError(f"A span lies outside the text: positions run from 0 to {n - 1}.")
    return spans
