"""Prompts that somebody gives in place of those of our probes."""

from collections.abc import Mapping, Sequence

from headlab.behaviours import Prompt
from headlab.behaviours.own import PROBES
from headlab.errors import HeadlabError, unknown
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import encode, token_text


def given_prompts(
    model: LoadedModel, start: int | None, given: Mapping[str, Sequence[Prompt | str]]
) -> dict[str, list[Prompt]]:
    """Prompts in place of ours, by the name of the probe; HeadlabError for one there is not."""
    fewest = 2 if start is None else 3
    found = {}
    for probe, texts in given.items():
        if probe not in PROBES:
            raise unknown("probe", probe, PROBES)
        prompts = [
            _of_text(model, start, each) if isinstance(each, str) else each for each in texts
        ]
        found[probe] = [p for p in prompts if fewest <= len(p.tokens) <= model.max_tokens]
        if not found[probe]:
            raise HeadlabError(
                f"None of the {len(prompts)} prompts given for the probe {probe!r} can be read: "
                f"give texts of two to {model.max_tokens} tokens."
            )
    return found


def _of_text(model: LoadedModel, start: int | None, text: str) -> Prompt:
    tokens = (*([] if start is None else [start]), *encode(model, text))
    return Prompt(tokens, tuple(token_text(model, token) for token in tokens))
