"""Letting a model write on: the longer text, and how it came about.

What is written is text again: it is kept only as far as the model would read it back as the very
tokens that it wrote. So everything that can be done with a text can be done with the longer one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headlab import settings
from headlab.errors import HeadlabError
from headlab.models.continuing import end_tokens, next_log_probabilities
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, encode, resolve_start_token, tokenise

MOST = 40  # tokens at a time

ASKED = "as long as asked for"
ENDED = "the model ended its text"
FULL = "the text is as long as may be read"
NO_TEXT = "what it wrote then is no text of its own, such as half a character"


@dataclass(frozen=True)
class Continuation:
    """A text that a model went on with.

    ``text`` was given, ``written`` is what the model added, ``n_written`` tokens of it. ``seed`` is
    None where every token was the most probable one. ``stopped`` says why it ends there.
    """

    text: str
    written: str
    n_written: int
    seed: int | None
    stopped: str

    @property
    def whole(self) -> str:
        """Both together."""
        return self.text + self.written


def continue_text(
    model: LoadedModel,
    text: str,
    by: int = 20,
    seed: int | None = None,
    start_token: StartToken = "model",
    progress: Callable[[float, str], None] | None = None,
) -> Continuation:
    """Let ``model`` write up to ``by`` more tokens after ``text``.

    Parameters
    ----------
    by : 1 to 40 tokens; one forward pass each.
    seed : None takes the most probable token each time; a whole number draws from the model's
        probabilities, the same number the same text.
    start_token : as for ``read_text``.
    progress : called with the share done and the text so far; may raise to give up.

    Spaces at the end of ``text`` are left out: a model writes the space with its next word. Raises
    HeadlabError for a text that cannot be read and for ``by`` out of range.
    """
    if not 1 <= by <= MOST:
        raise HeadlabError(f"A text goes on by 1 to {MOST} tokens, not by {by}.")
    start = resolve_start_token(model, start_token)
    text = text.rstrip(" ")
    tokens, _ = tokenise(model, text, start)
    given = list(tokens)
    most = min(model.max_tokens, settings.max_tokens() or model.max_tokens)
    ends = end_tokens(model.network, model.tokenizer)
    rng = None if seed is None else np.random.default_rng(seed)
    written, kept, stopped = "", 0, ASKED
    for number in range(by):
        if len(tokens) == most:
            stopped = FULL
            break
        expected = next_log_probabilities(model.network, model.as_batch([tokens])).numpy()
        token = int(expected.argmax()) if rng is None else int(rng.choice(*_drawn_from(expected)))
        if token in ends:
            stopped = ENDED
            break
        tokens.append(token)
        added = _added(model, given, tokens, start)
        if _read_back(model, text + added, start) == tokens:
            written, kept = added, number + 1
        if progress is not None:
            progress((number + 1) / by, text + added)
    if kept < len(tokens) - len(given) and stopped == ASKED:
        stopped = NO_TEXT
    return Continuation(text, written, kept, seed, stopped)


def _drawn_from(expected: np.ndarray) -> tuple[int, None, bool, np.ndarray]:
    """How ``Generator.choice`` draws one token from log-probabilities."""
    probabilities = np.exp(expected)
    return len(expected), None, True, probabilities / probabilities.sum()


def _added(model: LoadedModel, given: list[int], tokens: list[int], start: int | None) -> str:
    """What the tokens say beyond the given ones."""
    shift = 0 if start is None else 1
    said, before = (
        model.tokenizer.decode(ids[shift:], clean_up_tokenization_spaces=False)
        for ids in (tokens, given)
    )
    return said.removeprefix(before)


def _read_back(model: LoadedModel, text: str, start: int | None) -> list[int]:
    return [*([] if start is None else [start]), *encode(model, text)]
