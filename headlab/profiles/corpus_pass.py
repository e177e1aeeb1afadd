"""A corpus read once with every head: what each writes where, and what it looks at there.

The texts are cut into blocks. While a block is read, the rows that may be kept of it are taken
down: of every head the one in which it writes most, and some drawn by chance, from which those at
the deciles are chosen in the end. So memory does not grow with the rows that are read.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headlab.behaviours import Prompt, behaviours
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring import budget, confidence
from headlab.models.attention import Tap, run
from headlab.models.kernels import strongest_and_drawn
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, encode, resolve_start_token, token_texts
from headlab.models.weights import check_weights
from headlab.profiles.corpus import CorpusLooks, Row, corpus_key, kept_at, kept_corpus
from headlab.profiles.profile import Profile

BLOCK = 128  # tokens, start token included
SHORTEST = 12  # tokens of a block; less says little of where a head looks
BATCH = 16
STRONGEST, AT_DECILE = 10, 3  # rows kept of every head
DECILES = (10, 30, 50, 70, 90)
KEYS = 8  # of a row, with the most attention off the first token
AROUND = 24  # tokens of text around a row
DRAWN = 2_000  # rows of every head from which those at the deciles are chosen, about
DRAWN_FROM = 1_000  # blocks at most
FIRST_ROW = budget.FIRST_ROW
SEED = 0

_ROW = np.dtype(
    [
        ("block", np.int32),
        ("query", np.int16),
        ("strength", np.float32),  # -1: no row
        ("first", np.float32),
        ("keys", np.int16, KEYS),
        ("shares", np.float32, KEYS),
    ]
)

Progress = Callable[[float, str], None]


def corpus_looks(
    model: LoadedModel,
    texts: Sequence[str],
    profile: Profile,
    *,
    start_token: StartToken = "model",
    progress: Progress | None = None,
    cache: bool = True,
) -> CorpusLooks:
    """Read a corpus with every head.

    Parameters
    ----------
    texts : passages, see :func:`headlab.profiles.corpus.passages`; they are cut into blocks of
        ``BLOCK`` tokens.
    profile : of the same model, for which of its roles explain where a head looks.
    progress : called with the share done, 0 to 1, and what is being done.

    Returns
    -------
    CorpusLooks. Of every head the ``STRONGEST`` rows by what it writes and ``AT_DECILE`` at each of
    ``DECILES``, at most one of a block; the deciles are those of about ``DRAWN`` rows.

    Raises
    ------
    HeadlabError : weights that headlab cannot read, or texts too short.

    Source: after HeadVis (Anthropic 2026); its induction leaves out rows below .01 and the start
    token's, ours does not.
    """
    check_weights(model.network)
    start = resolve_start_token(model, start_token)
    key = corpus_key(model, texts, start)
    if cache and (kept := kept_corpus(model, texts, start_token=start)) is not None:
        return kept
    blocks, of_passage = _blocks(model, texts, start)
    sums = budget.Sums(budget.Places(blocks), model.n_layers, model.n_heads, model.network)
    rows = _Rows(model.n_layers, model.n_heads, [len(block.tokens) for block in blocks])
    _read(model, blocks, sums, rows, progress)
    shows = {
        name: profile.value(name) >= behaviours()[name].shown_from for name in profile.behaviours
    }
    low, high = _intervals(sums, shows, of_passage)
    result = CorpusLooks(
        model_name=model.name,
        content_hash=model.content_hash,
        corpus=key,
        start_token=start,
        n_passages=len(texts),
        n_tokens=sum(len(block.tokens) for block in blocks),
        value=sums.figures(shows),
        low=low,
        high=high,
        even=sums.even_shares(),
        rows={
            Head(layer, head): [_row(blocks, *chosen) for chosen in rows.chosen(layer, head)]
            for layer in range(model.n_layers)
            for head in range(model.n_heads)
        },
    )
    if cache:
        with suppress(HeadlabError):  # it is only a cache
            result.save(kept_at(key))
    return result


def _blocks(
    model: LoadedModel, texts: Sequence[str], start: int | None
) -> tuple[list[Prompt], np.ndarray]:
    """The corpus as prompts, and which passage each belongs to."""
    before = [] if start is None else [start]
    room = min(BLOCK, model.max_tokens) - len(before)
    blocks, of_passage = [], []
    for number, text in enumerate(texts):
        tokens = encode(model, text)
        for begin in range(0, len(tokens), room):
            part = (*before, *tokens[begin : begin + room])
            if len(part) >= SHORTEST:
                blocks.append(Prompt(part, tuple(token_texts(model, part))))
                of_passage.append(number)
    if not blocks:
        raise HeadlabError(f"No passage of the corpus is {SHORTEST} tokens long: add longer ones.")
    return blocks, np.array(of_passage)


def _read(
    model: LoadedModel,
    blocks: Sequence[Prompt],
    sums: budget.Sums,
    rows: "_Rows",
    progress: Progress | None,
) -> None:
    """Read all blocks, those of like length together; fills the sums and the rows."""
    order = sorted(range(len(blocks)), key=lambda number: len(blocks[number].tokens))
    for begin in range(0, len(order), BATCH):
        numbers = order[begin : begin + BATCH]
        batch = [blocks[number] for number in numbers]
        look, take = sums.of_batch(batch), rows.of_batch(numbers)

        def read(layer: int, pattern: Any, value: Any, look=look, take=take) -> None:
            take(layer, pattern, look(layer, pattern, value))

        tap = Tap(read=read, last_layer=model.n_layers - 1)
        run(model.network, model.as_batch([block.tokens for block in batch]), tap)
        if progress is not None:
            progress((begin + len(numbers)) / len(order), "reading the corpus")


@dataclass(eq=False)
class _Rows:
    """The rows of every head that may be kept.

    ``strongest`` [layer, head, STRONGEST] are the best of a block each; ``drawn`` [layer, head, n]
    were drawn by chance before anything was read, at most ``drawn_queries`` [block, n] of a block.
    """

    n_layers: int
    n_heads: int
    lengths: Sequence[int]
    strongest: np.ndarray = field(init=False)
    drawn: np.ndarray = field(init=False)
    drawn_queries: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(SEED)
        n_blocks = len(self.lengths)
        each = math.ceil(DRAWN / min(n_blocks, DRAWN_FROM))
        self.drawn_queries = np.full((n_blocks, min(each, BLOCK)), -1)
        for block in sorted(rng.permutation(n_blocks)[:DRAWN_FROM]):
            queries = rng.permutation(np.arange(FIRST_ROW, self.lengths[block]))[:each]
            self.drawn_queries[block, : len(queries)] = queries
        self._place = np.cumsum((self.drawn_queries >= 0).sum(1))
        empty = np.zeros((), _ROW)
        empty["strength"] = -1
        self.strongest = np.full((self.n_layers, self.n_heads, STRONGEST), empty)
        self.drawn = np.full((self.n_layers, self.n_heads, int(self._place[-1])), empty)

    def of_batch(self, numbers: Sequence[int]) -> Callable[[int, Any, Any], None]:
        """``take(layer, pattern, norms)`` of these blocks, padded at the end."""
        queries = self.drawn_queries[numbers]
        lengths = np.array([self.lengths[number] for number in numbers])
        is_row = queries >= 0  # [block, drawn]
        ends = zip(self._place[numbers], is_row.sum(1), strict=True)
        places = np.concatenate([np.arange(end - n, end) for end, n in ends])

        def take(layer: int, pattern: Any, norms: Any) -> None:
            found = strongest_and_drawn(pattern, norms, lengths, queries, FIRST_ROW, KEYS)
            rows = np.empty(found["query"].shape, _ROW)  # [block, head, strongest and drawn]
            rows["block"] = np.array(numbers)[:, None, None]
            for name, array in found.items():
                rows[name] = array
            rows = rows.transpose(1, 0, 2)
            self.drawn[layer][:, places] = rows[:, is_row.nonzero()[0], 1 + is_row.nonzero()[1]]
            both = np.concatenate([self.strongest[layer], rows[:, :, 0]], 1)
            best = np.argsort(-both["strength"], axis=1, kind="stable")[:, :STRONGEST]
            self.strongest[layer] = np.take_along_axis(both, best, 1)

        return take

    def chosen(self, layer: int, head: int) -> list[tuple[str, np.void]]:
        """The rows to keep of one head with their kind, at most one of a block: strongest first."""
        strongest = [row for row in self.strongest[layer, head] if row["strength"] >= 0]
        used = {int(row["block"]) for row in strongest}
        ranked = np.sort(self.drawn[layer, head], order="strength", kind="stable")
        rng = np.random.default_rng(SEED)
        kept = []
        for decile in DECILES:
            middle, span = len(ranked) * decile // 100, max(len(ranked) // 50, AT_DECILE)
            near = rng.permutation(ranked[max(middle - span, 0) : middle + span])
            taken: list[np.void] = []
            for row in near:
                if len(taken) < AT_DECILE and int(row["block"]) not in used:
                    used.add(int(row["block"]))
                    taken.append(row)
            kept += [(f"{decile} %", row) for row in sorted(taken, key=lambda r: r["strength"])]
        return [*(("strongest", row) for row in strongest), *reversed(kept)]


def _row(blocks: Sequence[Prompt], kind: str, row: np.void) -> Row:
    number, query = int(row["block"]), int(row["query"])
    texts = blocks[number].token_texts
    assert texts is not None
    begin = max(0, query + 1 - AROUND)
    seen = row["keys"] <= query  # a short row has fewer keys
    keys = [int(key) for key in row["keys"][seen]]
    return Row(
        kind=kind,
        strength=float(row["strength"]),
        block=number,
        query=query,
        begin=begin,
        texts=tuple(texts[begin : begin + AROUND]),
        keys=tuple(keys),
        key_texts=tuple(texts[key] for key in keys),
        shares=tuple(float(share) for share in row["shares"][seen]),
        first=float(row["first"]),
    )


def _intervals(
    sums: budget.Sums, shows: dict[str, np.ndarray], of_passage: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """95 % intervals over passages: the blocks of one are drawn together."""
    draws = confidence.bootstrap_weights(int(of_passage[-1]) + 1, SEED)
    return sums.intervals(shows, draws[:, of_passage])
