"""Where the words stand that a text is asked about: facts, and pairs of words."""

import re
from collections.abc import Sequence

from headlab.behaviours import Spans
from headlab.errors import HeadlabError
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import find_in_text


def find_spans(
    model: LoadedModel, text: str, entities: Sequence[tuple[str, str]], start: int | None
) -> Spans:
    """Key positions of the attribute asked for and of the others.

    An attribute is looked for after the first mention of its entity, else before it, as whole
    words; the entity mentioned last in the text is the one asked for.
    """
    found: dict[str, tuple[int, ...]] = {}
    last_mention: dict[str, int] = {}
    for entity, attribute in entities:
        mentions = _mentions(text, entity)
        if not mentions:
            raise HeadlabError(
                f"The entity {entity!r} does not stand in the text: check its spelling."
            )
        attributes = _mentions(text, attribute)
        if not attributes:
            raise HeadlabError(
                f"The attribute {attribute!r} does not stand in the text: check its spelling."
            )
        begin = next((place for place in attributes if place > mentions[0]), attributes[0])
        found[entity] = find_in_text(model, text, begin, begin + len(attribute), start)
        last_mention[entity] = mentions[-1]
    asked = max(last_mention, key=lambda entity: last_mention[entity])
    others = (k for entity, ks in found.items() if entity != asked for k in ks)
    return Spans(attribute=found[asked], others=tuple(others))


def find_pair(
    model: LoadedModel, text: str, words: tuple[str, str], start: int | None
) -> tuple[int, int] | None:
    """Positions (query, key) of the last mention of the first word and the first of the second.

    None where they do not stand in the text in this order.
    """
    places = [_mentions(text, word) for word in words]
    if not all(places):
        return None
    last, first = places[0][-1], places[1][0]
    query = find_in_text(model, text, last, last + len(words[0]), start)[-1]
    key = find_in_text(model, text, first, first + len(words[1]), start)[0]
    return (query, key) if key < query else None


def marked_spans(
    token_texts: Sequence[str], pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> Spans:
    """Spans from marked tokens: pairs of (positions of an entity, positions of its attribute).

    The entity whose words are mentioned last is the one asked for.

    >>> texts = ["Maria", ":", " Oslo", ".", " Tom", ":", " Lima", ".", " Maria", " is", " in"]
    >>> marked_spans(texts, [([0], [2]), ([4], [6])])
    Spans(attribute=(2,), others=(6,))
    """
    words = [text.strip().casefold() for text in token_texts]

    def last_mention(pair: tuple[Sequence[int], Sequence[int]]) -> int:
        entity = [words[k] for k in pair[0]]
        starts = range(len(words) - len(entity) + 1)
        return max((k for k in starts if words[k : k + len(entity)] == entity), default=-1)

    asked = max(pairs, key=last_mention)
    right = tuple(sorted(set(asked[1])))
    others = {k for pair in pairs if pair is not asked for k in pair[1]} - set(right)
    return Spans(attribute=right, others=tuple(sorted(others)))


def _mentions(text: str, words: str) -> list[int]:
    """Where ``words`` begin in ``text``, never inside a longer word: "Ann" is not in "Anna"."""
    if not words.strip():
        return []
    begin, end = (r"(?<!\w)" * words[0].isalnum(), r"(?!\w)" * words[-1].isalnum())
    return [match.start() for match in re.finditer(f"{begin}{re.escape(words)}{end}", text)]
