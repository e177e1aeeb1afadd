"""The token sequences and sentences that behaviours are profiled on: seeded, versioned.

Change ``VERSION`` whenever a prompt changes: profiles of another version are measured anew.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from headlab.behaviours import Behaviour, Prompt, Spans, behaviours
from headlab.errors import HeadlabError
from headlab.measuring.probe_sentences import SENTENCES_A, SENTENCES_B
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import encode, find_in_text, token_text

VERSION = 3
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
GIVEN_NAMES = tuple(
    """
    James John Robert Michael William David Thomas Charles Daniel Matthew Mark Paul Andrew Kevin
    Brian George Edward Jacob Eric Stephen Larry Samuel Frank Patrick Jack Dennis Henry Adam Nathan
    Peter Walter Carl Keith Roger Arthur Albert Ralph Louis Philip Simon Oliver Leo Max Tom Hugo
    Felix Oscar Ivan Martin Victor Richard Joseph Anthony Steven Kenneth Ryan Gary Scott Benjamin
    Alexander Mary Linda Susan Sarah Karen Nancy Betty Sandra Carol Dorothy Laura Amy Anna Pamela
    Emma Helen Rachel Maria Ruth Joan Judith Gloria Teresa Alice Julia Grace Diana Kate Jane Lucy
    Rosa Nina Clara Ella Eva Nora Ida Vera Elizabeth Barbara Jessica Lisa Margaret Emily Donna
    Michelle Amanda Rebecca Sharon Angela Nicole Christine Catherine Olivia Virginia Victoria
    """.split()
)
FACT_KINDS = (
    FactKind("{entity} lives in {attribute}.", "The home of {entity} is", _PLACES),
    FactKind("{entity} likes {attribute}.", "The favourite colour of {entity} is", _COLOURS),
    FactKind("{entity} has a {attribute}.", "The animal that belongs to {entity} is the", _ANIMALS),
    FactKind("{entity} works as a {attribute}.", "The job of {entity} is that of the", _JOBS),
)

# A pair and its giver; every name follows a space, since at the start it may be another token.
NAME_TEMPLATES = (
    "When {a} and {b} went to the store, {giver} gave a drink to",
    "Then, {a} and {b} had lunch in the garden, and {giver} gave a book to",
    "After {a} and {b} came home from school, {giver} gave the ball to",
    "While {a} and {b} were at the station, {giver} gave a letter to",
)
MIN_NAMES = 20


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


def single_names(model: LoadedModel) -> list[str]:
    """The given names that, inside a text, are one token of the model."""
    return [name for name in GIVEN_NAMES if len(_places(model, f"and {name}", [name], None)) == 1]


def _places(
    model: LoadedModel, text: str, names: Sequence[str], start: int | None
) -> tuple[int, ...]:
    """Positions of the tokens that hold one of the names."""
    found = re.finditer(rf"\b(?:{'|'.join(names)})\b", text)
    return tuple(k for m in found for k in find_in_text(model, text, m.start(), m.end(), start))


def names(model: LoadedModel, start: int | None, seed: int = 0) -> list[Prompt]:
    """Indirect-object prompts in which every single-token name stands once as either part.

    Two names, the one who gives named again: three places to read. The answer is the other name, as
    a fact prompt's is the attribute asked for. None for a model to which fewer
    than ``MIN_NAMES`` of the names are single tokens.
    """
    known = single_names(model)
    if len(known) < MIN_NAMES:
        return []
    rng = random.Random(f"names {seed}")
    rng.shuffle(known)
    known += known[: len(known) % 2]  # the first once more, where one would be left over
    prompts = []
    for index, pair in enumerate(zip(known[::2], known[1::2], strict=True)):
        template = NAME_TEMPLATES[index % len(NAME_TEMPLATES)]
        giver = index // len(NAME_TEMPLATES) % 2
        text = template.format(a=pair[0], b=pair[1], giver=pair[giver])
        tokens = tuple(([] if start is None else [start]) + encode(model, text))
        if len(tokens) <= model.max_tokens:
            (answer,) = _places(model, text, [pair[1 - giver]], start)
            places = _places(model, text, pair, start)
            prompts.append(_prompt(model, tokens, names=places, answer=tokens[answer]))
    return prompts


def missing(model: LoadedModel, probe: str) -> str:
    """Why a model has no prompts of a probe."""
    if probe == "names" and (known := len(single_names(model))) < MIN_NAMES:
        return (
            f"{known} of {len(GIVEN_NAMES)} given names are single tokens of this model, and "
            f"{MIN_NAMES} are needed"
        )
    return f"its probes do not fit into {model.max_tokens} tokens"


def _prompt(model: LoadedModel, tokens: tuple[int, ...], **marks) -> Prompt:
    return Prompt(tokens, tuple(token_text(model, token) for token in tokens), **marks)


def probe_prompts(model: LoadedModel, start: int | None) -> dict[str, list[Prompt]]:
    """The probes of a profile by name: those of all, then those that behaviours bring."""
    own = [each for each in behaviours().values() if each.name in each.probes]
    return {
        "repeats": repeats(model, start),
        "sentences": sentences(model, start),
        "facts": facts(model, start),
        "names": names(model, start),
        **{each.name: own_prompts(model, start, each) for each in own},
    }


def own_prompts(model: LoadedModel, start: int | None, behaviour: Behaviour) -> list[Prompt]:
    """The probe that a behaviour brings, without what is too long for the model."""
    if behaviour.prompts is not None:
        made = behaviour.prompts(model, start, 0)
    else:
        before = [] if start is None else [start]
        texts = ([*before, *encode(model, text)] for text in behaviour.sentences)
        made = [_prompt(model, tuple(tokens)) for tokens in texts]
    return [prompt for prompt in made if len(prompt.tokens) <= model.max_tokens]


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
