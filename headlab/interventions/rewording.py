"""What if this word were another: which heads' patterns move, beside random other words."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import OnText, Progress, checked_position, facts, read
from headlab.models.attention import Tap, run
from headlab.models.continuing import next_log_probabilities
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, characters_of, token_text, tokenise

AT_ONCE = 64_000_000  # bytes of one layer's patterns, of all texts read together


@dataclass(frozen=True, eq=False, kw_only=True)
class Rewording(OnText):
    """How far every head's attention moves when one token of a text becomes another.

    ``new_text`` has ``word`` in place of the token at ``position``. ``moved`` [layer, head] is the
    share of a row's attention that goes elsewhere (half the sum of absolute differences), mean
    over the rows from ``position`` on, 0 to 1; rows before cannot know. ``random`` [draw, layer,
    head] is the same for other words drawn at random: what any change there does.
    """

    position: int
    word: str
    new_text: str
    moved: np.ndarray = field(repr=False)
    random: np.ndarray = field(repr=False)

    @property
    def chance(self) -> np.ndarray:
        """[layer, head] mean over the random words."""
        return np.asarray(self.random.mean(0))

    @property
    def beyond(self) -> np.ndarray:
        """[layer, head] share of the random words that move a head less than this word does."""
        return np.asarray((self.random < self.moved).mean(0))

    def to_frame(self) -> pd.DataFrame:
        """Heads, the one that moves most first: moved, chance, excess, beyond."""
        rows = np.unravel_index(np.argsort(-self.moved, axis=None, kind="stable"), self.moved.shape)
        heads = [Head(int(layer), int(head)) for layer, head in zip(*rows, strict=True)]
        return pd.DataFrame(
            {
                "layer": [head.layer for head in heads],
                "head": [head.head for head in heads],
                "name": [str(head) for head in heads],
                "moved": self.moved[rows],
                "chance": self.chance[rows],
                "excess": (self.moved - self.chance)[rows],
                "beyond": self.beyond[rows],
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON types, figures [layer][head]."""
        return {
            **facts(self),
            "text": self.text,
            "position": self.position,
            "word": self.word,
            "new_text": self.new_text,
            "draws": len(self.random),
            "moved": self.moved.tolist(),
            "chance": self.chance.tolist(),
            "beyond": self.beyond.tolist(),
        }


def replace_word(
    model: LoadedModel,
    text: str,
    position: int,
    word: str,
    *,
    draws: int = 20,
    seed: int = 0,
    start_token: StartToken = "model",
    progress: Progress | None = None,
) -> Rewording:
    """Put ``word`` in the place of one token and measure how far every head's attention moves.

    Parameters
    ----------
    position : the token's place, from 0, the start token counted; it must be of the text.
    word : what a single token can be there; the space that the old token had is put before it.
    draws : random other words to compare with, from the ordinary ones of the vocabulary.

    Raises HeadlabError where the new text is not the old one with a single token changed.
    """
    on = read(model, text, start_token)
    position = checked_position(position, on.tokens)
    new_text, tokens = _reworded(model, on, position, word)
    known = [t for t in model.ordinary_tokens if t not in (tokens[position], on.tokens[position])]
    if not known:
        raise HeadlabError(f"{model.name} knows no ordinary words to compare with.")
    drawn = np.random.default_rng(seed).choice(known, min(draws, len(known)), replace=False)
    texts = [tokens]
    for token in drawn:
        texts.append([*on.tokens[:position], int(token), *on.tokens[position + 1 :]])
    found = _moved(model, on.tokens, texts, position, progress)
    return Rewording(
        **vars(on),
        position=position,
        word=token_text(model, tokens[position]),
        new_text=new_text,
        moved=found[0],
        random=found[1:],
    )


def next_tokens(
    model: LoadedModel, found: Rewording, start_token: StartToken = "model"
) -> tuple[str, str]:
    """What the change makes less and what it makes more likely next, the most of each.

    By how much of the probability they lose and gain: ``answer`` and ``wrong`` for ``patch``.
    """
    chances = []
    for text in (found.text, found.new_text):
        on = read(model, text, start_token)
        chances.append(next_log_probabilities(model.network, model.as_batch([on.tokens])).exp())
    change = (chances[1] - chances[0]).numpy()
    return token_text(model, int(change.argmin())), token_text(model, int(change.argmax()))


def with_word(
    model: LoadedModel, text: str, position: int, word: str, start_token: StartToken = "model"
) -> str:
    """``text`` with ``word`` in the place of one token, as many tokens as before.

    Parameters and errors as for :func:`replace_word`.
    """
    on = read(model, text, start_token)
    return _reworded(model, on, checked_position(position, on.tokens), word)[0]


def _reworded(model: LoadedModel, on: OnText, position: int, word: str) -> tuple[str, list[int]]:
    """The new text and its tokens; an error where more than one token would change."""
    if position == 0 and on.start_token is not None:
        raise HeadlabError("The start token is no word of the text: choose another.")
    old = on.token_texts[position]
    if old.startswith(" ") and not word.startswith(" "):
        word = f" {word}"
    new_text = _with_word(model, on, position, word)
    tokens, _ = tokenise(model, new_text, on.start_token)
    others = [token for token in range(len(on.tokens)) if token != position]
    if len(tokens) != len(on.tokens) or any(tokens[i] != on.tokens[i] for i in others):
        raise HeadlabError(
            f"{word!r} in the place of {old!r} is not one token for {model.name}: choose a word "
            "that is, mostly a common one."
        )
    return new_text, tokens


def _with_word(model: LoadedModel, on: OnText, position: int, word: str) -> str:
    """The text with ``word`` where the token at ``position`` stands."""
    begin, end = characters_of(model, on.text, position, on.start_token)
    if not on.text[begin:end].startswith(" "):  # many tokenizers leave the space out
        word = word.removeprefix(" ")
    return on.text[:begin] + word + on.text[end:]


def _moved(
    model: LoadedModel,
    tokens: list[int],
    others: list[list[int]],
    position: int,
    progress: Progress | None,
) -> np.ndarray:
    """[text, layer, head] half the L1 distance of each text's rows to those of ``tokens``."""
    n = len(tokens)
    step = max(1, AT_ONCE // (4 * model.n_heads * n * n) - 1)
    found = np.full((len(others), model.n_layers, model.n_heads), np.nan)
    for begin in range(0, len(others), step):
        some = others[begin : begin + step]

        def read_layer(layer: int, pattern: Any, value: Any, at: int = begin) -> None:
            rows = pattern[..., position:, :].float()
            apart = (rows[1:] - rows[:1]).abs().sum(-1).mean(-1) / 2
            found[at : at + len(apart), layer] = apart.cpu().numpy()

        tap = Tap(read=read_layer, last_layer=model.n_layers - 1)
        run(model.network, model.as_batch([tokens, *some]), tap)
        if progress is not None:
            progress(min(1.0, (begin + step) / len(others)), f"{begin + len(some)} words")
    return found
