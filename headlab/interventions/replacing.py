"""What stands in for the output of a head that is removed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import known
from headlab.measuring.probes import sentences
from headlab.models import editing
from headlab.models.attention import check_changeable
from headlab.models.editing import Edit
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token, tokenise

Mode = Literal["zero", "mean", "text"]
MODES = ("zero", "mean", "text")
MIN_REFERENCE_TOKENS = 20


@dataclass(frozen=True, eq=False)
class Reference:
    """Mean outputs of every head, [head, 1, d_head] by layer, in words, and of which model."""

    words: str
    model_name: str
    start_token: int | None
    outputs: Sequence[Any] = field(repr=False)

    @property
    def first(self) -> int:
        """The first position that was counted and may be replaced."""
        return 0 if self.start_token is None else 1


def mean_reference(
    model: LoadedModel, texts: str | Sequence[str] | None = None, start_token: StartToken = "model"
) -> Reference:
    """Every head's mean output over ``texts``, by default the sentences of the probes.

    Over all positions after the start token. What a head writes at the start token is the same on
    every text, its own mean, and is left alone. Take one reference for many calls of ``ablate``:
    it costs a pass for each text. Raises HeadlabError for texts of fewer than 20 tokens together.
    """
    check_changeable(model.network)
    start = resolve_start_token(model, start_token)
    first = 0 if start is None else 1
    if texts is None:
        prompts = [list(prompt.tokens) for prompt in sentences(model, start)]
        words = f"its mean over {len(prompts)} sentences of the probes"
    else:
        given = [texts] if isinstance(texts, str) else list(texts)
        prompts = [tokenise(model, text, start)[0] for text in given]
        words = f"its mean over {len(given)} reference text{'s' * (len(given) > 1)}"
    counted = sum(len(tokens) - first for tokens in prompts)
    if counted < MIN_REFERENCE_TOKENS:
        raise HeadlabError(
            f"The reference is {counted} tokens long, too few for a mean: give texts of at least "
            f"{MIN_REFERENCE_TOKENS} tokens together."
        )
    batches = [model.as_batch([tokens]) for tokens in prompts]
    words += f" ({counted:,} tokens)"
    outputs = editing.mean_outputs(model.network, batches, first)
    return Reference(words, model.name, start, outputs)


def replacement(
    model: LoadedModel,
    tokens: Sequence[int],
    start: int | None,
    mode: Mode,
    reference: str | Sequence[str] | Reference | None,
) -> tuple[Sequence[Any], str, int]:
    """What stands in for the heads' outputs, in words, and the first position where it does."""
    known("mode", mode, MODES)
    if mode == "zero":
        return editing.no_outputs(model.network), "zero", 0
    if mode == "mean":
        if not isinstance(reference, Reference):
            reference = mean_reference(model, reference, start)
        if (reference.model_name, reference.start_token) != (model.name, start):
            raise HeadlabError(
                "The reference was measured on another model or under another start-token policy: "
                "take one of this model and policy."
            )
        return reference.outputs, reference.words, reference.first
    if not isinstance(reference, str):
        raise HeadlabError(
            "Mode 'text' puts in what a head did on another text: give that text as the reference."
        )
    theirs, _ = tokenise(model, reference, start)
    n = len(tokens)
    if len(theirs) < n:
        raise HeadlabError(
            f"The reference text is {len(theirs)} tokens long and the text itself {n}: each "
            "position needs its counterpart, so write a longer one."
        )
    outputs = editing.head_outputs(model.network, model.as_batch([theirs[:n]]))
    return outputs, f"what it wrote on the text {reference!r}", 0


def edit_of(heads: Iterable[Head], first: int) -> Edit:
    """These heads' outputs replaced from position ``first`` on."""
    by_layer: dict[int, list[int]] = {}
    for head in heads:
        by_layer.setdefault(head.layer, []).append(head.head)
    return Edit(by_layer, positions=slice(first, None))
