"""A head over many texts: where it writes most, what it looks at there, where attention goes.

The texts are cut into blocks and read twice: once for how much every head writes at every token,
and once for what it looks at in the few places that are kept.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headlab.behaviours import Prompt, behaviours
from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes, write_file
from headlab.heads import Head, HeadName
from headlab.measuring import budget, confidence
from headlab.measuring.notebook import InNotebook
from headlab.models.attention import Tap, run
from headlab.models.catalogue import shipped_profiles
from headlab.models.loaded import LoadedModel
from headlab.models.output_norms import output_norms
from headlab.models.tokens import StartToken, encode, resolve_start_token, token_texts
from headlab.models.weights import check_weights
from headlab.places import app_folder, cache_folder
from headlab.profiles.profile import Profile

VERSION = 2
SCHEMA = "headlab.corpus/1"
BLOCK = 128  # tokens, start token included
SHORTEST = 12  # tokens of a block; less says little of where a head looks
BATCH = 16
STRONGEST, AT_DECILE = 10, 3  # rows kept of every head
DECILES = (10, 30, 50, 70, 90)
KEYS = 8  # of a row, with the most attention off the first token
AROUND = 24  # tokens of text around a row
FIRST_ROW = budget.FIRST_ROW
MAX_BYTES = 20_000_000
SEED = 0

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Row:
    """One query of one head in the corpus.

    ``kind`` is "strongest" or a decile of strength, such as "50 %"; ``strength`` the norm of what
    the head writes there; ``texts`` the tokens around, the first of them at ``begin`` of the block;
    ``query`` and ``keys`` are positions in the block, ``key_texts`` the tokens there, ``shares``
    the attention on each key, 0 to 1, ``first`` that on the first token.
    """

    kind: str
    strength: float
    block: int
    query: int
    begin: int
    texts: tuple[str, ...]
    keys: tuple[int, ...]
    key_texts: tuple[str, ...]
    shares: tuple[float, ...]
    first: float


@dataclass(frozen=True, eq=False)
class CorpusLooks(InNotebook):
    """What every head does over a corpus.

    ``value``, ``low`` and ``high`` map the figures of ``budget.FIGURES`` to [layer, head], with
    95 % intervals over passages; ``even`` is what even attention would give of each share. ``rows``
    maps a head to the rows that were kept of it.
    """

    model_name: str
    content_hash: str
    corpus: str
    start_token: int | None
    n_passages: int
    n_tokens: int
    value: dict[str, np.ndarray] = field(repr=False)
    low: dict[str, np.ndarray] = field(repr=False)
    high: dict[str, np.ndarray] = field(repr=False)
    even: dict[str, float] = field(repr=False)
    rows: dict[Head, list[Row]] = field(repr=False)

    def of(self, head: HeadName) -> list[Row]:
        """The rows of one head, the strongest first; HeadlabError for a head that is not there."""
        chosen = Head.of(head)
        if chosen not in self.rows:
            raise HeadlabError(f"{self.model_name} has no head {chosen}: choose another.")
        return self.rows[chosen]

    def to_frame(self) -> pd.DataFrame:
        """One line for each head: layer, head, name, and every figure."""
        layer, head = np.indices(self.value["first"].shape)
        names = [str(Head(*map(int, p))) for p in zip(layer.ravel(), head.ravel(), strict=True)]
        facts = {"layer": layer.ravel(), "head": head.ravel(), "name": names}
        return pd.DataFrame(facts | {name: array.ravel() for name, array in self.value.items()})

    def to_dict(self) -> dict[str, Any]:
        """In JSON types, rounded to four digits; NaN is None."""
        return {
            "schema": SCHEMA,
            "model": self.model_name,
            "content_hash": self.content_hash,
            "corpus": self.corpus,
            "start_token": self.start_token,
            "n_passages": self.n_passages,
            "n_tokens": self.n_tokens,
            **{
                kind: {name: _rounded(array) for name, array in getattr(self, kind).items()}
                for kind in ("value", "low", "high")
            },
            "even": {name: round(value, 4) for name, value in self.even.items()},
            "rows": {
                str(head): [
                    [
                        *(row.kind, round(row.strength, 3), row.block, row.query, row.begin),
                        *(list(row.texts), list(row.keys), list(row.key_texts)),
                        *([round(s, 3) for s in row.shares], round(row.first, 3)),
                    ]
                    for row in rows
                ]
                for head, rows in self.rows.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Any) -> "CorpusLooks":
        """From JSON types; HeadlabError for anything else."""
        try:
            if data["schema"] != SCHEMA:
                raise ValueError
            return cls(
                model_name=data["model"],
                content_hash=data["content_hash"],
                corpus=data["corpus"],
                start_token=data["start_token"],
                n_passages=data["n_passages"],
                n_tokens=data["n_tokens"],
                **{
                    kind: {name: np.array(a, dtype=float) for name, a in data[kind].items()}
                    for kind in ("value", "low", "high")
                },
                even=data["even"],
                rows={
                    Head.parse(name): [_as_row(row) for row in rows]
                    for name, rows in data["rows"].items()
                },
            )
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise HeadlabError(
                "This is no file of a corpus pass, or one of another version: make it again with "
                "`headlab corpus`."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write it whole or not at all; packed where the name ends in .gz."""
        raw = json.dumps(self.to_dict(), ensure_ascii=False).encode()
        packed = gzip.compress(raw, mtime=0) if str(path).endswith(".gz") else raw
        write_file(path, packed, make_folder=True)

    @classmethod
    def load(cls, path: str | Path) -> "CorpusLooks":
        """What :meth:`save` wrote; HeadlabError for anything else."""
        raw = read_bytes(path)
        try:
            raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
            data = json.loads(decoded(raw))
        except (ValueError, OSError, EOFError) as error:
            raise HeadlabError(
                f"{path} is damaged: make it again with `headlab corpus`."
            ) from error
        return cls.from_dict(data)


def passages(source: str | Path | None = None) -> list[str]:
    """The passages of a file or of every .txt file of a folder; by default those of headlab.

    They are parted as :func:`parted` says. HeadlabError for a place without any, or with more than
    ``MAX_BYTES``.
    """
    place = app_folder() / "prompts" / "corpus" if source is None else Path(source).expanduser()
    files = sorted(place.glob("*.txt")) if place.is_dir() else [place]
    if not files:
        raise HeadlabError(f"{place} holds no .txt files: name a text file, or a folder of them.")
    found: list[str] = []
    left = MAX_BYTES
    for file in files:
        raw = read_bytes(file, left)
        left -= len(raw)
        found += parted(raw, str(file))
    if not found:
        raise HeadlabError(f"{place} holds no text: write some into it.")
    return found


def parted(raw: bytes, name: str) -> list[str]:
    """The passages of a file's bytes: parted by a line of ``---``, else by empty lines.

    HeadlabError, with the file's ``name``, for what is no text.
    """
    try:
        text = decoded(raw).replace("\r\n", "\n")
    except ValueError as error:
        raise HeadlabError(f"{name} is no text in UTF-8 or UTF-16: save it as one.") from error
    parts = text.split("\n---\n") if "\n---\n" in text else text.split("\n\n")
    return [passage.strip() for passage in parts if passage.strip()]


def corpus_key(model: LoadedModel, texts: Sequence[str], start: int | None) -> str:
    """What a corpus pass is kept under: model, texts, start token and the code that measures."""
    digest = hashlib.sha256(json.dumps([VERSION, budget.VERSION, start, list(texts)]).encode())
    digest.update(model.content_hash.encode())
    return digest.hexdigest()[:32]


def kept_corpus(
    model: LoadedModel, texts: Sequence[str], *, start_token: StartToken = "model"
) -> CorpusLooks | None:
    """What :func:`corpus_looks` would find ready, or None: nothing is measured."""
    key = corpus_key(model, texts, resolve_start_token(model, start_token))
    places = [_place(key)]
    if (shipped := shipped_profiles(model.name)) is not None:
        places += sorted(shipped.glob("corpus*.json.gz"))
    for place in places:
        if place.is_file():
            try:
                found = CorpusLooks.load(place)
            except HeadlabError:
                continue
            if found.corpus == key:
                return found
    return None


def _place(key: str) -> Path:
    return cache_folder() / "corpus" / f"{key}.json.gz"


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
    texts : passages, see :func:`passages`; they are cut into blocks of ``BLOCK`` tokens.
    profile : of the same model, for which of its roles explain where a head looks.
    progress : called with the share done, 0 to 1, and what is being done.

    Returns
    -------
    CorpusLooks. Of every head the ``STRONGEST`` rows by what it writes and ``AT_DECILE`` at each of
    ``DECILES``, at most one of a block.

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
    norms = _strengths(model, blocks, sums, progress)
    chosen = {
        Head(layer, head): _choose(norms[layer, head])
        for layer in range(model.n_layers)
        for head in range(model.n_heads)
    }
    rows = _kept_rows(model, blocks, chosen, norms, progress)
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
        rows=rows,
    )
    if cache:
        with suppress(HeadlabError):  # it is only a cache
            result.save(_place(key))
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


def _strengths(
    model: LoadedModel, blocks: Sequence[Prompt], sums: budget.Sums, progress: Progress | None
) -> np.ndarray:
    """What every head writes at every token, [layer, head, block, position]; fills the sums too.

    -1 where a row is not to be kept: beyond a block, and before ``FIRST_ROW``.
    """
    norms = np.full((model.n_layers, model.n_heads, len(blocks), BLOCK), -1, dtype=np.float16)
    for begin in range(0, len(blocks), BATCH):
        batch = blocks[begin : begin + BATCH]
        look, numbers = sums.of_batch(batch), slice(begin, begin + len(batch))

        def read(layer: int, pattern: Any, value: Any, look=look, numbers=numbers) -> None:
            found = output_norms(model.network, layer, pattern, value).cpu().numpy()
            norms[layer, :, numbers, : pattern.shape[-1]] = found.transpose(1, 0, 2)
            look(layer, pattern, value)

        tap = Tap(read=read, last_layer=model.n_layers - 1)
        run(model.network, model.as_batch([block.tokens for block in batch]), tap)
        if progress is not None:
            progress(0.5 * numbers.stop / len(blocks), "how much every head writes")
    lengths = np.array([len(block.tokens) for block in blocks])
    place = np.arange(BLOCK)
    norms[:, :, (place < FIRST_ROW) | (place >= lengths[:, None])] = -1
    return norms


def _choose(strength: np.ndarray) -> list[tuple[str, int, int]]:
    """The rows to keep of one head, (kind, block, query), from strengths [block, query]; -1: none.

    At most one row of a block for each kind.
    """
    best = strength.argmax(-1)
    of_block = strength[np.arange(len(strength)), best]
    order = np.argsort(-of_block.astype(float), kind="stable")[:STRONGEST]
    chosen = [("strongest", int(b), int(best[b])) for b in order if of_block[b] >= 0]
    used = {block for _, block, _ in chosen}
    block, query = np.nonzero(strength >= 0)
    ranked = np.argsort(strength[block, query].astype(float), kind="stable")
    rng = np.random.default_rng(SEED)
    for decile in DECILES:
        middle, span = len(ranked) * decile // 100, max(len(ranked) // 50, AT_DECILE)
        near = ranked[max(middle - span, 0) : middle + span]
        taken = 0
        for at in rng.permutation(near):
            if taken < AT_DECILE and int(block[at]) not in used:
                used.add(int(block[at]))
                chosen.append((f"{decile} %", int(block[at]), int(query[at])))
                taken += 1
    return chosen


def _kept_rows(
    model: LoadedModel,
    blocks: Sequence[Prompt],
    chosen: dict[Head, list[tuple[str, int, int]]],
    norms: np.ndarray,
    progress: Progress | None,
) -> dict[Head, list[Row]]:
    """What each head looks at in its chosen rows: their blocks are read once more."""
    wanted: dict[int, dict[int, list[tuple[Head, str, int]]]] = {}
    for head, rows in chosen.items():
        for kind, block, query in rows:
            wanted.setdefault(block, {}).setdefault(head.layer, []).append((head, kind, query))
    numbers, found = sorted(wanted), {head: [] for head in chosen}  # type: ignore[var-annotated]
    for begin in range(0, len(numbers), BATCH):
        batch = numbers[begin : begin + BATCH]

        def read(layer: int, pattern: Any, value: Any) -> None:
            for index, block in enumerate(batch):  # noqa: B023
                for head, kind, query in wanted[block].get(layer, ()):
                    row = pattern[index, head.head, query, : query + 1].float().cpu().numpy()
                    strength = float(norms[layer, head.head, block, query])
                    found[head].append(_row(blocks[block], kind, block, query, row, strength))

        tap = Tap(read=read, last_layer=model.n_layers - 1)
        run(model.network, model.as_batch([blocks[block].tokens for block in batch]), tap)
        if progress is not None:
            progress(0.5 + 0.5 * (begin + len(batch)) / len(numbers), "what it looks at there")
    kinds = ["strongest", *(f"{decile} %" for decile in reversed(DECILES))]
    return {
        head: sorted(rows, key=lambda row: (kinds.index(row.kind), -row.strength))
        for head, rows in found.items()
    }


def _row(
    block: Prompt, kind: str, number: int, query: int, row: np.ndarray, strength: float
) -> Row:
    keys = [int(k) for k in np.argsort(-row[1:], kind="stable")[:KEYS] + 1]
    begin = max(0, query + 1 - AROUND)
    assert block.token_texts is not None
    return Row(
        kind=kind,
        strength=strength,
        block=number,
        query=query,
        begin=begin,
        texts=tuple(block.token_texts[begin : begin + AROUND]),
        keys=tuple(keys),
        key_texts=tuple(block.token_texts[k] for k in keys),
        shares=tuple(float(row[k]) for k in keys),
        first=float(row[0]),
    )


def _intervals(
    sums: budget.Sums, shows: dict[str, np.ndarray], of_passage: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """95 % intervals over passages: the blocks of one are drawn together."""
    draws = confidence.bootstrap_weights(int(of_passage[-1]) + 1, SEED)
    return sums.intervals(shows, draws[:, of_passage])


def _rounded(array: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(x) else round(float(x), 4) for x in row] for row in array]


def _as_row(data: list[Any]) -> Row:
    kind, strength, block, query, begin, texts, keys, key_texts, shares, first = data
    return Row(
        kind=kind,
        strength=strength,
        block=block,
        query=query,
        begin=begin,
        texts=tuple(texts),
        keys=tuple(keys),
        key_texts=tuple(key_texts),
        shares=tuple(shares),
        first=first,
    )
