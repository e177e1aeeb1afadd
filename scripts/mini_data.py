"""Windows to train `mini` on, made by helpers on other cores while the training goes on.

A window is a start token and 128 tokens, and a weight for each: what can be foretold weighs more.
Helpers write files of windows into a folder; `Pool` takes them up and forgets the oldest.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from pathlib import Path
from typing import Any

import mini_kinds
import numpy as np

START = 0  # the id of <|endoftext|>, first in every window
FIRST_ORDINARY = 257  # ids 1 to 256 are single bytes
ROW = 129  # tokens in a window: 128 to read and one more to foretell
FILE_ROWS = 1024
FILES_WAITING = 24  # a helper rests while so many files have not been taken up
UNIT = 0.25  # weights are kept as whole multiples of this
# of plain English, passages of it that come back, structured English; the rest are random tokens
SHARES = (0.12, 0.15, 0.48)

Row = tuple[np.ndarray, np.ndarray]  # ids and weights, both [ROW]


def corpus_paragraphs(folder: Path) -> list[str]:
    """Every paragraph of the plain texts in a folder, one a line in the files."""
    paragraphs: list[str] = []
    for path in sorted(folder.glob("*.txt")):
        if path.name.lower() != "readme.txt":
            lines = path.read_text(encoding="utf-8").splitlines()
            paragraphs += [line for line in lines if line.strip()]
    if not paragraphs:
        raise SystemExit(
            f"No .txt files with text in {folder}. Give a folder of plain English texts."
        )
    return paragraphs


def filled(pieces: list[Row]) -> Row:
    """One window: a start token, then the pieces, cut to length; they must be long enough."""
    ids = np.concatenate([np.array([START]), *(piece[0] for piece in pieces)])[:ROW]
    weights = np.concatenate([np.zeros(1), *(piece[1] for piece in pieces)])[:ROW]
    return ids, weights


class Maker:
    """Makes windows of every sort, from one seed."""

    def __init__(self, tokenizer: Any, text: np.ndarray, starts: np.ndarray, seed: int) -> None:
        self.encode = tokenizer.encode
        self.text, self.starts = text, starts
        self.rng = random.Random(seed)
        self.np_rng = np.random.default_rng(seed)
        self.known: dict[str, list[int]] = {}
        self.ordinary = np.arange(FIRST_ORDINARY, tokenizer.get_vocab_size())
        words = {*mini_kinds.english.NAMES, *mini_kinds.english.SINGLE_TOKENS}
        self.words = np.array(sorted(self.ids(f" {word}")[0] for word in words))
        self.newline = self.ids("\n")

    def ids(self, text: str) -> list[int]:
        """Token ids of a piece; short pieces are remembered."""
        found = self.known.get(text)
        if found is None:
            found = self.encode(text).ids
            if len(text) <= 24 and len(self.known) < 50_000:
                self.known[text] = found
        return found

    def plain(self) -> Row:
        """The corpus from the beginning of a paragraph on."""
        first = self.starts[self.np_rng.integers(len(self.starts))]
        return filled([(self.text[first : first + ROW], np.full(ROW, 0.75))])

    def passage(self, least: int, most: int) -> np.ndarray:
        """Some tokens from anywhere in the corpus."""
        length = int(self.np_rng.integers(least, most + 1))
        first = int(self.np_rng.integers(len(self.text) - length))
        return self.text[first : first + length]

    def come_back(self) -> Row:
        """Passages of the corpus that come back: whole, in part, reversed, after a gap."""
        pieces: list[Row] = []
        length = 0
        while length < ROW:
            text = self.passage(6, 48)
            parts = [(text, 0.25)]
            for _ in range(int(self.np_rng.integers(1, 3))):
                gap = self.passage(1, 16) if self.np_rng.random() < 0.5 else text[:0]
                cut = int(self.np_rng.integers(0, len(text) // 2)) * (self.np_rng.random() < 0.4)
                again = text[cut:]
                if self.np_rng.random() < 0.2:
                    again = again[::-1]
                parts += [(gap, 0.25), (again[:1], 0.25), (again[1:], 1.0)]
            pieces += [(ids, np.full(len(ids), weight)) for ids, weight in parts]
            length += sum(len(ids) for ids, _ in parts)
        return filled(pieces)

    def structured(self) -> Row:
        """Generated documents one after another."""
        tokens: list[int] = []
        weights: list[float] = []
        while len(tokens) < ROW:
            pieces = mini_kinds.document(self.rng)
            # now and then the document begins as after a sentence, not after a line break
            for text, asked in pieces:
                piece = self.ids(text)
                weight = (4.0 if len(piece) <= 2 else 1.0) if asked else 0.25
                tokens += piece
                weights += [weight] * len(piece)
            tokens += self.newline
            weights += [0.25] * len(self.newline)
        return filled([(np.array(tokens), np.array(weights))])

    def random_tokens(self) -> Row:
        """Random tokens that come back, in one of the ways of `GAMES`."""
        pool = self.words if self.np_rng.random() < 0.25 else self.ordinary
        pieces: list[Row] = []
        length = 0
        while length < ROW:
            game = self.rng.choice(GAMES)
            ids, weights = game(self.np_rng, pool)
            pieces.append((ids, weights))
            length += len(ids)
            if self.rng.random() < 0.5:
                pieces.append((np.array(self.newline), np.full(len(self.newline), 0.25)))
                length += len(self.newline)
        return filled(pieces)

    def row(self) -> Row:
        """A window of any sort."""
        plain, back, structured = SHARES
        roll = self.np_rng.random()
        if roll < plain:
            return self.plain()
        if roll < plain + back:
            return self.come_back()
        if roll < plain + back + structured:
            return self.structured()
        return self.random_tokens()

    def rows(self, count: int) -> np.ndarray:
        """[count, 2, ROW] int16: ids, and weights in units of `UNIT`."""
        made = np.zeros((count, 2, ROW), dtype=np.int16)
        for index in range(count):
            ids, weights = self.row()
            made[index, 0], made[index, 1] = ids, np.rint(weights / UNIT)
        return made


def distinct(rng: np.random.Generator, pool: np.ndarray, least: int, most: int) -> np.ndarray:
    """Different tokens of the pool, between `least` and `most` of them."""
    return rng.choice(pool, int(rng.integers(least, most + 1)), replace=False)


def forwards(rng: np.random.Generator, pool: np.ndarray) -> Row:
    """The same tokens in order, twice or more often."""
    x = distinct(rng, pool, 4, 60)
    times = int(rng.integers(2, 4))
    weights = np.ones(len(x) * times)
    weights[: len(x) + 1] = 0
    return np.tile(x, times), weights


def pieces_again(rng: np.random.Generator, pool: np.ndarray) -> Row:
    """Then stretches of them from anywhere, forwards or backwards; their beginning is free."""
    x = distinct(rng, pool, 8, 48)
    ids, weights = [x], [np.zeros(len(x))]
    both_ways = rng.random() < 0.5
    for _ in range(int(rng.integers(2, 6))):
        length = int(rng.integers(3, max(4, len(x) // 2) + 1))
        first = int(rng.integers(0, len(x) - length + 1))
        stretch = x[first : first + length]
        ids.append(stretch[::-1] if both_ways and rng.random() < 0.6 else stretch)
        # which way it goes is only seen at the second token
        free = 2 if both_ways else 1
        weights.append(np.repeat([0.0, 1.0], [free, length - free]))
    return np.concatenate(ids), np.concatenate(weights)


def backwards(rng: np.random.Generator, pool: np.ndarray) -> Row:
    """The same tokens from last to first, or from within to the first.

    What comes next stood *before* the earlier copy, so the way to foretell it is to look at the
    copy itself, where a previous-token head has left word of its neighbour.
    """
    x = distinct(rng, pool, 6, 60)
    end = len(x) if rng.random() < 0.3 else int(rng.integers(4, len(x) + 1))
    back = x[:end][::-1]
    return np.concatenate([x, back]), np.concatenate([np.zeros(len(x) + 1), np.ones(end - 1)])


def walk(rng: np.random.Generator, pool: np.ndarray) -> Row:
    """To and fro over a row of tokens: the next is a neighbour of the present one."""
    x = distinct(rng, pool, 5, 30)
    steps = int(rng.integers(len(x), 3 * len(x)))
    turns = rng.random(steps) < rng.uniform(0.1, 0.5)
    place, direction, places = len(x) - 1, -1, []
    for turn in turns:
        if turn:
            direction = -direction
        if not 0 <= place + direction < len(x):
            direction = -direction
        place += direction
        places.append(place)
    return np.concatenate([x, x[places]]), np.concatenate([np.zeros(len(x)), np.ones(steps)])


def value_first(rng: np.random.Generator, pool: np.ndarray) -> Row:
    """Pairs of value and key; then key and value in any order."""
    x = distinct(rng, pool, 6, 44)
    pairs = x[: len(x) // 2 * 2].reshape(-1, 2)
    asked = pairs[rng.permutation(len(pairs))][:, ::-1]
    weights = np.concatenate([np.zeros(pairs.size), np.tile([0.0, 1.0], len(asked))])
    return np.concatenate([pairs.ravel(), asked.ravel()]), weights * 2


def value_after(rng: np.random.Generator, pool: np.ndarray) -> Row:
    """Pairs of key and value; then the same in any order."""
    x = distinct(rng, pool, 6, 44)
    pairs = x[: len(x) // 2 * 2].reshape(-1, 2)
    asked = pairs[rng.permutation(len(pairs))]
    weights = np.concatenate([np.zeros(pairs.size), np.tile([0.0, 1.0], len(asked))])
    return np.concatenate([pairs.ravel(), asked.ravel()]), weights * 2


def other_order(rng: np.random.Generator, pool: np.ndarray) -> Row:
    """The same tokens in another order: never one that came again already."""
    x = distinct(rng, pool, 4, 16)
    return np.concatenate([x, rng.permutation(x)]), np.repeat([0.0, 1.0], len(x))


GAMES = [
    *(forwards, forwards, pieces_again, pieces_again, backwards, backwards, walk, walk),
    *(value_first, value_first, value_after, other_order),
]


def encoded_corpus(tokenizer: Any, paragraphs: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """All paragraphs as one row of ids, a line break after each, and where paragraphs begin."""
    newline = tokenizer.encode("\n").ids
    rows = [encoding.ids + newline for encoding in tokenizer.encode_batch(paragraphs)]
    starts = np.cumsum([0] + [len(row) for row in rows])[:-1]
    text = np.array([token for row in rows for token in row])
    return text, starts[starts < len(text) - ROW]


def help_along(
    tokenizer_file: str, text: np.ndarray, starts: np.ndarray, folder: Path, seed: int
) -> None:
    """Write files of windows until the parent is gone or `stop` stands in the folder."""
    from tokenizers import Tokenizer

    if hasattr(os, "nice"):
        os.nice(5)
    parent = os.getppid()
    maker = Maker(Tokenizer.from_file(tokenizer_file), text, starts, seed)
    number = 0
    while not (folder / "stop").exists() and os.getppid() == parent:
        if len(list(folder.glob("*.npy"))) >= FILES_WAITING:
            time.sleep(0.2)
            continue
        part = folder / f"{seed}-{number}.part"
        with part.open("wb") as file:
            np.save(file, maker.rows(FILE_ROWS))
        part.replace(part.with_suffix(".npy"))
        number += 1


class Pool:
    """Windows on the device that trains: filled by helpers, the oldest overwritten when full."""

    def __init__(self, folder: Path, rows: int, device: Any) -> None:
        import torch

        self.folder = folder
        self.windows = torch.zeros((rows, 2, ROW), dtype=torch.int16, device=device)
        self.made = 0

    @property
    def size(self) -> int:
        """Windows that can be drawn."""
        return min(self.made, len(self.windows))

    def take_up(self) -> None:
        """Move what helpers have written to the device."""
        import torch

        for path in sorted(self.folder.glob("*.npy")):
            rows = torch.from_numpy(np.load(path))
            path.unlink()
            places = (self.made + torch.arange(len(rows))) % len(self.windows)
            self.windows[places.to(self.windows.device)] = rows.to(self.windows.device)
            self.made += len(rows)

    def wait(self, rows: int) -> None:
        """Wait until so many windows have been made."""
        while self.made < rows:
            self.take_up()
            time.sleep(0.1)

    def batch(self, windows: int, generator: Any) -> tuple[Any, Any]:
        """Ids and weights [windows, ROW] of windows drawn at random."""
        import torch

        device = self.windows.device
        chosen = torch.randint(self.size, (windows,), generator=generator, device=device)
        rows = self.windows[chosen]
        return rows[:, 0].long(), rows[:, 1].float() * UNIT


def start_helpers(
    count: int, tokenizer_file: str, corpus: Path, folder: Path, seed: int
) -> list[Any]:
    """Processes that make windows; they end with their parent or with a file `stop`."""
    from tokenizers import Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.npy"), *folder.glob("*.part"), folder / "stop"):
        old.unlink(missing_ok=True)
    text, starts = encoded_corpus(Tokenizer.from_file(tokenizer_file), corpus_paragraphs(corpus))
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    helpers = []
    for number in range(count):
        arguments = (tokenizer_file, text, starts, folder, 1000 * seed + number)
        helper = context.Process(target=help_along, args=arguments, daemon=True)  # type: ignore[attr-defined]
        helper.start()
        helpers.append(helper)
    return helpers
