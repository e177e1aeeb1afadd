"""A head over many texts: where it writes most, what it looks at there, where attention goes.

What a corpus pass (``corpus_pass.py``) gives, how it is kept, and what may be read by one.
"""

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes, write_file
from headlab.heads import Head, HeadName
from headlab.measuring import budget
from headlab.measuring.notebook import InNotebook
from headlab.models.catalogue import shipped_profiles
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token
from headlab.places import app_folder, cache_folder

VERSION = 3
SCHEMA = "headlab.corpus/1"
MAX_BYTES = 20_000_000


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
    places = [kept_at(key)]
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


def kept_at(key: str) -> Path:
    """Where a corpus pass is kept on this machine."""
    return cache_folder() / "corpus" / f"{key}.json.gz"


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
