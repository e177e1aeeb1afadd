"""One text on two models: by tokens where both split it alike, else by words."""

import re
from dataclasses import dataclass

import numpy as np

from headlab.errors import HeadlabError
from headlab.measuring.reading import Reading
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import find_in_text


@dataclass(frozen=True, eq=False)
class Words:
    """A reading's patterns on the level of words, [layer, head, query, key], rows summing to 1.

    A row is the mean of the rows of the word's tokens, a column the sum of its tokens' columns. A
    start token is a word of its own.
    """

    reading: Reading
    words: list[str]
    patterns: np.ndarray


def on_words(reading: Reading, model: LoadedModel) -> Words:
    """What every head does on a text, word by word; the patterns of all layers must be kept."""
    found = list(re.finditer(r"\S+", reading.text))
    n_tokens, shift = len(reading.tokens), 0 if reading.start_token is None else 1
    word = np.zeros(n_tokens, dtype=int)
    for index, match in enumerate(found):
        for token in find_in_text(model, reading.text, *match.span(), reading.start_token):
            word[token] = word[token] or index + shift
    word = np.maximum.accumulate(word)  # white space belongs to the word before it
    names = [*([reading.start_text or ""] * shift), *(match[0] for match in found)]
    return Words(reading, names, pool(reading.patterns, word, len(names)))


def pool(patterns: np.ndarray, word: np.ndarray, n_words: int) -> np.ndarray:
    """Patterns [..., query, key] of tokens as patterns of words; ``word`` [token] says whose."""
    member = (word[None, :] == np.arange(n_words)[:, None]).astype(patterns.dtype)  # [word, token]
    rows = member / np.maximum(member.sum(axis=1, keepdims=True), 1)
    return rows @ patterns @ member.T


def similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How alike two patterns [..., query, key] on the same text are: 1 the same, 0 nothing shared.

    One minus the mean total variation distance of the rows from the second on; the first row can
    look at itself only.
    """
    if one.shape != other.shape or one.shape[-1] < 2:
        raise HeadlabError(
            "The patterns have different shapes, or a single row: read one text of two words or "
            "more on both models."
        )
    return 1 - 0.5 * np.abs(one - other)[..., 1:, :].sum(axis=-1).mean(axis=-1)


@dataclass(frozen=True, eq=False)
class TextComparison:
    """One text on two models, [layer, head, query, key] over the same ``names``.

    ``level`` is "tokens" where both split the text alike, else "words".
    """

    level: str
    names: list[str]
    before: np.ndarray
    after: np.ndarray

    @property
    def sentence(self) -> str:
        """What the rows and columns are."""
        if self.level == "tokens":
            return "Both models split this text into the same tokens."
        return (
            "The models split this text into different tokens, so rows and columns are whole words:"
            " a row is the mean of its tokens' rows, a column the sum of its tokens' columns."
        )

    def similarity(self) -> np.ndarray:
        """Similarity [layer, head] of heads of the same number; NaN if the shapes differ."""
        if self.before.shape != self.after.shape:
            return np.full(self.before.shape[:2], np.nan)
        return similarity(self.before, self.after)


def compare_words(before: Words, after: Words) -> TextComparison:
    """One text on two models: by tokens if both split it alike, else by words."""
    one, two = before.reading, after.reading
    if one.text != two.text:
        raise HeadlabError("The two models read different texts: give both the same one.")
    if (one.start_token is None) != (two.start_token is None):
        raise HeadlabError(
            "One model read the text with a start token and the other without: read it alike."
        )
    if one.token_texts == two.token_texts:
        return TextComparison("tokens", one.token_texts, one.patterns, two.patterns)
    return TextComparison("words", before.words, before.patterns, after.patterns)
