"""Where the attention of a head goes on ordinary text, and how much of that its roles explain.

Every cell [query, key] of a text belongs to one of ``SHARES``; cells of one share that are targets
of the same pattern behaviours are summed together. Whatever roles a head turns out to have, what
they explain is then a sum of such sums, and no text is read again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from headlab.behaviours import Prompt, behaviours
from headlab.behaviours.base import positions
from headlab.behaviours.punctuation import is_punctuation
from headlab.measuring import confidence
from headlab.measuring.scoring import token_codes
from headlab.models import kernels
from headlab.models.output_norms import output_norms
from headlab.models.weights import has_weights

VERSION = 1  # of these measures: profiles that were made with another are measured anew
FIRST_ROW = 4  # earlier queries have hardly any choice
SHARES = {
    "first": "first token",
    "current": "current token",
    "previous": "previous token",
    "same": "same token",
    "after_same": "after the same token",
    "punctuation": "punctuation",
    "local": "local",
    "near": "near",
    "far": "far",
}
FIGURES = (*SHARES, "reach", "spread", "explained", "explained_chance", "output_norm")


def share_of_cells(tokens: Any, token_texts: Sequence[str]) -> np.ndarray:
    """Which of ``SHARES`` each cell belongs to, int8 [query, key]; -1 where key > query.

    The first that fits counts: k = 0, k = q, k = q - 1, the same token, the token after the same
    token, punctuation, then 2 to 4 tokens back (local), 5 to 16 (near) and more (far).

    >>> share_of_cells([7, 8, 9, 8], ["s", " a", " b", " a"])[3].tolist()  # "b" is also after "a"
    [0, 3, 2, 1]
    """
    codes = token_codes(tokens)
    q, k = positions(len(codes))
    same = codes[:, None] == codes[None, :]
    after = np.zeros_like(same)
    after[:, 1:] = same[:, :-1]
    marks = np.array([is_punctuation(text) for text in token_texts], dtype=bool)[None, :]
    back = q - k
    tests = [k == 0, back == 0, back == 1, same, after, marks, back <= 4, back <= 16]
    found = np.select(np.broadcast_arrays(*tests), range(len(tests)), default=len(tests))
    return np.where(k <= q, found, -1).astype(np.int8)


class Place(NamedTuple):
    """Cells of one share that are targets of the same pattern behaviours."""

    share: str
    behaviours: frozenset[str]


class Places:
    """The cells of some prompts by :class:`Place`, rows from ``FIRST_ROW`` on.

    ``index`` holds of each prompt [query, key] the number of a cell's place, -1 for none; ``even``
    [prompt, place] what attention spread over all keys would put there, summed over the rows.
    """

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self.prompts = list(prompts)
        self.patterned = [name for name, b in behaviours().items() if b.targets is not None]
        codes = [self._codes(prompt) for prompt in self.prompts]
        known = np.unique(np.concatenate([c[c >= 0] for c in codes])) if codes else np.array([])
        self.places = [self._place(int(code)) for code in known]
        self.index = [
            np.where(c >= 0, np.searchsorted(known, np.maximum(c, 0)), -1).astype(np.int16)
            for c in codes
        ]
        self.rows = np.array([max(len(p.tokens) - FIRST_ROW, 0) for p in self.prompts], dtype=float)
        self.even = np.zeros((len(self.prompts), len(self.places)))
        for even, index in zip(self.even, self.index, strict=True):
            weight = np.broadcast_to(1 / np.arange(1, len(index) + 1)[:, None], index.shape)
            chosen = index >= 0
            even += np.bincount(index[chosen], weight[chosen], minlength=len(even))

    def _codes(self, prompt: Prompt) -> np.ndarray:
        """A number for each cell: its share, and a bit for every behaviour that asks for it."""
        assert prompt.token_texts is not None, "punctuation is known by the tokens' texts"
        shares = share_of_cells(prompt.tokens, prompt.token_texts)
        code = shares.astype(int)
        tokens = token_codes(prompt.tokens)
        for bit, name in enumerate(self.patterned):
            find = behaviours()[name].targets
            assert find is not None
            cells = find(tokens, prompt.token_texts, prompt.spans)
            if cells is not None:
                code += (cells.astype(int) << bit) * len(SHARES)
        code[shares < 0] = -1
        code[:FIRST_ROW] = -1
        return code

    def _place(self, code: int) -> Place:
        bits, share = divmod(code, len(SHARES))
        asked = frozenset(name for bit, name in enumerate(self.patterned) if bits >> bit & 1)
        return Place(list(SHARES)[share], asked)

    def explained_by(self, shows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which places the roles of each head ask for, [layer, head, place]; never the first token.

        ``shows`` says of every behaviour which heads [layer, head] show it.
        """
        asked = [
            np.any([shows[name] for name in place.behaviours if name in shows], axis=0)
            & (place.share != "first")
            if any(name in shows for name in place.behaviours)
            else np.zeros_like(next(iter(shows.values())), dtype=bool)
            for place in self.places
        ]
        return np.stack(asked, -1)


class Sums:
    """What every head does on each of some prompts, summed over rows; filled batch by batch.

    ``attention`` and ``chance`` [prompt, layer, head, place]: attention there, and what the
    attention off the first token would put there if it were even. ``off``, ``distance``,
    ``effective`` and ``norm`` [prompt, layer, head]. A prompt not yet read holds zeros, and its
    ``rows`` are 0.
    """

    def __init__(self, places: Places, n_layers: int, n_heads: int, network: Any = None) -> None:
        self.places, self.network = places, network
        shape = (len(places.prompts), n_layers, n_heads)
        self.attention = np.zeros((*shape, len(places.places)), dtype=np.float32)
        self.chance = np.zeros_like(self.attention)
        self.off, self.distance, self.effective, self.norm = np.zeros((4, *shape))
        self.rows = np.zeros(len(places.prompts))
        self._number = {id(prompt): index for index, prompt in enumerate(places.prompts)}
        self._writes = network is not None and has_weights(network)
        if not self._writes:
            self.norm[:] = np.nan

    def of_batch(self, prompts: Sequence[Prompt]) -> Callable[[int, Any, Any], Any]:
        """``read(layer, pattern, value)`` of a tap over these prompts, padded at the end.

        It gives what every head writes, [batch, head, query], or None if that cannot be told.
        """
        numbers = [self._number[id(prompt)] for prompt in prompts]
        n, n_places = max(len(prompt.tokens) for prompt in prompts), len(self.places.places)
        cells = np.zeros((len(prompts), n, n, n_places), dtype=bool)
        for mine, number in zip(cells, numbers, strict=True):
            query, key = np.nonzero(self.places.index[number] >= 0)
            mine[query, key, self.places.index[number][query, key]] = True
        lengths = np.array([len(prompt.tokens) for prompt in prompts])[:, None]
        rows = (np.arange(n) >= FIRST_ROW) & (np.arange(n) < lengths)
        even = cells.sum(2) / np.maximum(np.arange(n), 1)[:, None]  # over keys 1 to q
        self.rows[numbers] = self.places.rows[numbers]
        arrays = cells, np.ones((len(prompts), n_places)), rows, even
        types = (bool, np.float32, np.float32, np.float32)
        tensors: list[Any] = []

        def read(layer: int, pattern: Any, value: Any = None) -> Any:
            if not tensors:
                tensors.extend(
                    kernels.as_tensor(array.astype(kind), like=pattern)
                    for array, kind in zip(arrays, types, strict=True)
                )
            cells, ones, rows, even = tensors
            off, distance = kernels.off_first(pattern, rows)
            self.attention[numbers, layer] = kernels.cell_sums(pattern, cells, ones).cpu().numpy()
            self.chance[numbers, layer] = (off @ even).cpu().numpy()
            self.off[numbers, layer] = off.sum(-1).cpu().numpy()
            self.distance[numbers, layer] = distance.sum(-1).cpu().numpy()
            self.effective[numbers, layer] = kernels.effective_tokens(pattern, rows).cpu().numpy()
            if not self._writes:
                return None
            norms = output_norms(self.network, layer, pattern, value)
            self.norm[numbers, layer] = (norms * rows[:, None]).sum(-1).cpu().numpy()
            return norms

        return read

    def ratios(self, shows: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of each of ``FIGURES`` what is summed over prompts, and divided: [prompt, layer, head].

        ``shows`` says of every behaviour which heads [layer, head] show it as a role.
        """
        rows = np.broadcast_to(self.rows[:, None, None], self.off.shape)
        found = {}
        for share in SHARES:
            mine = [place.share == share for place in self.places.places]
            found[share] = self.attention[..., mine].sum(-1), rows
        asked = self.places.explained_by(shows)
        found["reach"] = self.distance, self.off
        found["spread"] = self.effective, rows
        found["explained"] = (self.attention * asked).sum(-1), self.off
        found["explained_chance"] = (self.chance * asked).sum(-1), self.off
        layer = self.norm.mean(-1, keepdims=True)
        found["output_norm"] = self.norm, np.broadcast_to(layer, self.norm.shape)
        return {name: found[name] for name in FIGURES}

    def off_first_by_place(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the attention off the first token each place's share, and chance [layer, head, place].

        What some places explain together is the sum of their shares.
        """
        off = self.off.sum(0)[..., None]
        with np.errstate(invalid="ignore", divide="ignore"):
            attention, chance = self.attention.sum(0) / off, self.chance.sum(0) / off
        return np.where(off > 0, attention, np.nan), np.where(off > 0, chance, np.nan)

    def figures(
        self, shows: Mapping[str, np.ndarray], weights: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """``FIGURES`` [layer, head]; with ``weights`` [resample, prompt] one axis more in front.

        Every row counts once. NaN where nothing was read, or there is nothing to divide by.
        """
        once = np.ones((1, len(self.rows))) if weights is None else weights
        found = {}
        for name, pair in self.ratios(shows).items():
            above, below = (np.tensordot(once, array, 1) for array in pair)
            with np.errstate(invalid="ignore", divide="ignore"):
                found[name] = np.where(below > 0, above / below, np.nan)
        return found if weights is not None else {name: f[0] for name, f in found.items()}

    def intervals(
        self, shows: Mapping[str, np.ndarray], weights: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Low and high of each of ``FIGURES`` over resamples of the prompts, [layer, head]."""
        low, high = {}, {}
        for name, resampled in self.figures(shows, weights).items():
            known = ~np.isnan(resampled).any(axis=0)
            bounds = np.full((2, *known.shape), np.nan)
            if known.any():
                bounds[:, known] = np.percentile(resampled[:, known], confidence.INTERVAL, axis=0)
            low[name], high[name] = bounds
        return low, high

    def even_shares(self) -> dict[str, float]:
        """What even attention, 1/(q+1) a cell, would give of each share."""
        total = self.places.rows.sum()
        return {
            share: float(
                self.places.even[:, [p.share == share for p in self.places.places]].sum() / total
            )
            for share in SHARES
        }
