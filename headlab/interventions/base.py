"""What every intervention begins with: a text, and heads and positions that exist."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headlab.errors import HeadlabError, unknown
from headlab.heads import Head, HeadName, is_head_name
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token, token_text, tokenise

Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class OnText:
    """Which model read which text, under which start-token policy."""

    model_name: str
    start_token: int | None
    start_text: str | None
    text: str
    tokens: list[int]
    token_texts: list[str]


def read(model: LoadedModel, text: str, start_token: StartToken) -> OnText:
    """The text as the model reads it."""
    start = resolve_start_token(model, start_token)
    tokens, token_texts = tokenise(model, text, start)
    return OnText(
        model_name=model.name,
        start_token=start,
        start_text=None if start is None else token_text(model, start),
        text=text,
        tokens=tokens,
        token_texts=token_texts,
    )


def known(kind: str, name: str, names: Sequence[str]) -> None:
    """Raise HeadlabError, with the nearest, for a name that is not among ``names``."""
    if name not in names:
        raise unknown(kind, name, names)


def checked_heads(
    model: LoadedModel, heads: Iterable[HeadName] | HeadName, layers: Iterable[int]
) -> tuple[Head, ...]:
    """The heads named, each once, in order; an error for one that the model does not have."""
    named = [heads] if is_head_name(heads) else heads
    found = {Head.of(name) for name in named}  # type: ignore[arg-type]
    found |= {Head(layer, head) for layer in layers for head in range(model.n_heads)}
    for head in sorted(found):
        if head.layer not in range(model.n_layers) or head.head not in range(model.n_heads):
            raise HeadlabError(
                f"{model.name} has no head {head}: its layers run from 0 to {model.n_layers - 1} "
                f"and the heads of each from 0 to {model.n_heads - 1}."
            )
    return tuple(sorted(found))


def checked_position(position: int, tokens: Sequence[int]) -> int:
    """``position`` counted from the start."""
    n = len(tokens)
    if not -n <= position < n:
        raise HeadlabError(
            f"There is no position {position}: the text's {n} tokens stand at 0 to {n - 1}."
        )
    return position % n


class _Made(Protocol):
    """Something measured on a model under a start-token policy."""

    @property
    def model_name(self) -> str: ...
    @property
    def start_token(self) -> int | None: ...
    @property
    def start_text(self) -> str | None: ...


def facts(made: _Made) -> dict[str, Any]:
    """What stands on everything measured: the model and its start-token policy."""
    return {
        "model": made.model_name,
        "start_token": made.start_token,
        "start_text": made.start_text,
    }
