"""The token sequences and sentences that behaviours are profiled on: seeded, versioned.

Change ``VERSION`` whenever a prompt changes: profiles of another version are measured anew.
"""

import random
from dataclasses import dataclass
from typing import Literal

from headlab.behaviours import Prompt, Spans
from headlab.errors import HeadlabError
from headlab.models.loading import LoadedModel
from headlab.models.tokens import encode, find_in_text, token_text
from headlab.probe_sentences import SENTENCES_A, SENTENCES_B

VERSION = 2
N_REPEATS = 50
N_FACTS = 32

Length = Literal["usual", "short", "long"]
REPEATED_TOKENS = {"usual": (25, 50), "short": (5, 7), "long": (30, 45)}
SENTENCE_TOKENS = {"usual": (30, 60), "short": (10, 15), "long": (60, 90)}


@dataclass(frozen=True)
class FactKind:
    """One way to state a fact and to ask for it again in other words.

    The question's last token precedes no attribute in the statements, else blind induction would
    find every attribute.
    """

    statement: str
    question: str
    attributes: tuple[str, ...]


_PLACES = ("Oslo", "Lima", "Rome", "Paris", "London", "Berlin", "Madrid", "Cairo")
_COLOURS = ("red", "blue", "green", "yellow", "black", "white", "brown", "pink")
_ANIMALS = ("cat", "dog", "horse", "bird", "fish", "goat", "rabbit", "duck")
_JOBS = ("baker", "doctor", "teacher", "farmer", "painter", "singer", "tailor", "sailor")
_NAMES = (
    *("Maria", "Peter", "Anna", "Tom", "John", "Mary", "Paul", "James"),
    *("Sarah", "David", "Emma", "Jack", "Alice", "Kate", "George", "Lucy"),
)
FACT_KINDS = (
    FactKind("{entity} lives in {attribute}.", "The home of {entity} is", _PLACES),
    FactKind("{entity} likes {attribute}.", "The favourite colour of {entity} is", _COLOURS),
    FactKind("{entity} has a {attribute}.", "The animal that belongs to {entity} is the", _ANIMALS),
    FactKind("{entity} works as a {attribute}.", "The job of {entity} is that of the", _JOBS),
)


def repeats(
    model: LoadedModel, start: int | None, length: Length = "usual", seed: int = 0
) -> list[Prompt]:
    """Repeated random tokens: 50 prompts [start] + x + x, x of distinct ordinary tokens."""
    rng = random.Random(f"repeats {length} {seed}")
    words = model.ordinary_tokens
    shortest, longest = REPEATED_TOKENS[length]
    longest = min(longest, (model.max_tokens - 1) // 2, len(words))
    if longest < 3:
        raise HeadlabError(
            f"{model.name} cannot be profiled: it reads {model.max_tokens} tokens and knows "
            f"{len(words)} ordinary words, too few for a passage to repeat itself."
        )
    prompts = []
    for _ in range(N_REPEATS):
        x = rng.sample(words, rng.randint(min(shortest, longest), longest))
        before = [] if start is None else [start]
        tokens = (*before, *x, *x)
        prompts.append(_prompt(model, tokens, half=len(before) + len(x)))
    return prompts


def sentences(
    model: LoadedModel,
    start: int | None,
    length: Length = "usual",
    source: tuple[str, ...] = SENTENCES_A,
) -> list[Prompt]:
    """20 prompts of plain English; each is joined with the next until long enough, then cut."""
    shortest, longest = SENTENCE_TOKENS[length]
    longest = min(longest, model.max_tokens)
    before = [] if start is None else [start]
    prompts = []
    for index in range(len(source)):
        text, following = source[index], index
        tokens = [*before, *encode(model, text)]
        while len(tokens) < min(shortest, longest):
            following = (following + 1) % len(source)
            text = f"{text} {source[following]}"
            tokens = [*before, *encode(model, text)]
        prompts.append(_prompt(model, tuple(tokens[:longest])))
    return prompts


def facts(model: LoadedModel, start: int | None, seed: int = 0) -> list[Prompt]:
    """32 fact prompts of three or four pairs in random order, then a question about one."""
    prompts = []
    for index in range(N_FACTS):
        rng = random.Random(f"facts {seed} {index}")
        kind = FACT_KINDS[index % len(FACT_KINDS)]
        n_pairs = 3 + (index // len(FACT_KINDS)) % 2
        entities = rng.sample(_NAMES, n_pairs)
        attributes = rng.sample(kind.attributes, n_pairs)
        asked = rng.randrange(n_pairs)
        pairs = list(zip(entities, attributes, strict=True))
        statements = [kind.statement.format(entity=e, attribute=a) for e, a in pairs]
        text = " ".join([*statements, kind.question.format(entity=entities[asked])])
        tokens = tuple(([] if start is None else [start]) + encode(model, text))
        if len(tokens) > model.max_tokens:
            continue
        # each attribute stands once, inside its own statement
        begins = [text.index(s) + s.rindex(a) for s, a in zip(statements, attributes, strict=True)]
        found = [
            find_in_text(model, text, begin, begin + len(attribute), start)
            for begin, attribute in zip(begins, attributes, strict=True)
        ]
        spans = Spans(
            attribute=found[asked],
            others=tuple(k for i, ks in enumerate(found) if i != asked for k in ks),
        )
        prompts.append(_prompt(model, tokens, spans=spans, answer=tokens[found[asked][0]]))
    return prompts


def _prompt(model: LoadedModel, tokens: tuple[int, ...], **marks) -> Prompt:
    return Prompt(tokens, tuple(token_text(model, token) for token in tokens), **marks)


def probe_prompts(model: LoadedModel, start: int | None) -> dict[str, list[Prompt]]:
    """The probes of a profile by name."""
    return {
        "repeats": repeats(model, start),
        "sentences": sentences(model, start),
        "facts": facts(model, start),
    }


def variant_prompts(model: LoadedModel, start: int | None) -> dict[str, dict[str, list[Prompt]]]:
    """What each of the four variants measures anew; probes it does not name stay as they are.

    A model without any start token has three variants: there is nothing to toggle.
    """
    variants = {
        "second sentences": {"sentences": sentences(model, start, source=SENTENCES_B)},
        "short texts": {
            "repeats": repeats(model, start, "short"),
            "sentences": sentences(model, start, "short"),
        },
        "long texts": {
            "repeats": repeats(model, start, "long"),
            "sentences": sentences(model, start, "long"),
        },
    }
    toggled = model.start_token if start is None else None
    if toggled != start:
        variants["start token toggled"] = probe_prompts(model, toggled)
    return variants
