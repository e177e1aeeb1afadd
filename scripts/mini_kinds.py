"""More kinds of structured English for `mini`: what its heads should have a reason to do.

Each kind pays for one thing. To say a passage backwards, or a value that stood before its key, a
head must look at the earlier copy of the same token; to say who is left, another must write
*against* the names that were said; to answer after "she", the place of "she" must know who she is.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import mini_english as english
from mini_english import Document

BRACKETS = [("(", ")"), ("[", "]"), ("{", "}"), ("<", ">")]
COUNTS = ["one", "two", "three", "four", "five", "six", "seven"]


def listed(words: list[str], joint: str = ",") -> Document:
    """The words one by one, every one of them asked for."""
    pieces: Document = [(f" {words[0]}", True)]
    for word in words[1:]:
        pieces += [(joint, False), (f" {word}", True)]
    return [piece for piece in pieces if piece[0]]


def some_words(rng: random.Random, least: int, most: int, names: float = 0.5) -> list[str]:
    """Different words of one sort; names with that probability."""
    words = english.NAMES if rng.random() < names else english.word_list(rng, 99)
    return rng.sample(words, min(rng.randint(least, most), len(words)))


def backwards_document(rng: random.Random) -> Document:
    """A sentence, then its words from last to first."""
    words = english.plain_sentence(rng).rstrip(".").split()
    opening = rng.choice(["Backwards:", "From the end:", "Now back:", "Reversed:"])
    start = " ".join(words) + f". {opening}"
    return [(start, False), *listed(words[::-1], rng.choice(["", "", ","])), (".", False)]


def value_first_document(rng: random.Random) -> Document:
    """Pairs with the value before the key; then keys, in any order, that ask for their values."""
    count = rng.randint(3, 7)
    pairs = english.fresh_pairs(rng, english.NAMES, rng.choice(english.KINDS).words, count, False)
    form = rng.choice(["{v} {n}", "the {v} of {n}", "a {v} for {n}", "{v}: {n}", "{v} and {n}"])
    text = ", ".join(form.format(n=name, v=value) for name, value in pairs)
    document: Document = [(english.with_articles(f"{text}."), False)]
    ask = rng.choice([" {n}", " For {n}:", " {n} has", " {n} the"])
    # the key itself may ask, so that what stood before its copy is wanted at once
    for name, value in rng.sample(pairs, k=rng.randint(2, count)):
        document += [(ask.format(n=name), False), (f" {value}", True), (",", False)]
    return [*document[:-1], (".", False)]


def between_document(rng: random.Random) -> Document:
    """A row of words; then of some of them the word before and the word after."""
    words = some_words(rng, 5, 12)
    document: Document = [(" ".join(words) + ".", False)]
    for _ in range(rng.randint(2, 5)):
        i = rng.randrange(1, len(words) - 1)
        document += [(f" {words[i]}", False), (f" {words[i - 1]}", True)]
        document += [(f" {words[i + 1]}", True), (".", False)]
    return document


def twice_document(rng: random.Random) -> Document:
    """A list in which some words stand twice; then which they were."""
    words = some_words(rng, 5, 12)
    again = rng.sample(words, rng.randint(1, 3))
    row = words + again
    rng.shuffle(row)
    row = [word for i, word in enumerate(row) if i == 0 or row[i - 1] != word]
    doubled = sorted({word for word in row if row.count(word) == 2}, key=row.index)
    if not doubled:
        return backwards_document(rng)
    opening = rng.choice(["Twice:", "Said again:", "Double:"])
    text = rng.choice([", ", " "]).join(row) + f". {opening}"
    return [(text, False), *listed(doubled), (".", False)]


def count_document(rng: random.Random) -> Document:
    """Words one by one, each followed by how often it has been said."""
    words = some_words(rng, 2, 5)
    document: Document = []
    said: dict[str, int] = {}
    for _ in range(rng.randint(6, 14)):
        word = rng.choice(words)
        if said.get(word, 0) == len(COUNTS):
            continue
        said[word] = said.get(word, 0) + 1
        document += [
            ((" " if document else "") + word, False),
            (f" {COUNTS[said[word] - 1]}", True),
        ]
        document.append((",", False))
    return [*document[:-1], (".", False)]


def other_order_document(rng: random.Random) -> Document:
    """Names, then the same names in another order: never one that was said already."""
    words = some_words(rng, 3, 8, names=0.8)
    other = rng.sample(words, len(words))
    opening = rng.choice(
        ["In another order:", "They came in:", "Each of them once:", "Then all of them:"]
    )
    text = rng.choice([", ", " ", " and "]).join(words) + f". {opening}"
    return [(text, False), *listed(other, rng.choice([",", "", " and"])), (".", False)]


def all_but_document(rng: random.Random) -> Document:
    """Names; all but one or two of them came, in the same order; or who is missing."""
    names = some_words(rng, 3, 7, names=0.9)
    missing = rng.sample(names, rng.randint(1, min(2, len(names) - 2)))
    rest = [name for name in names if name not in missing]
    text = ", ".join(names[:-1]) + f" and {names[-1]} were asked."
    if rng.random() < 0.5:
        opening = rng.choice([" All came but {}:", " Without {}:", " Everyone, not {}:"])
        text += opening.format(" and ".join(missing))
        return [(text, False), *listed(rest), (".", False)]
    rng.shuffle(rest)
    opening = rng.choice([" {} came. Missing:", " There were {}. Not there:", " {}. Who is left?"])
    text += opening.format(", ".join(rest))
    return [(text, False), *listed(missing, " and"), (".", False)]


def names_again_document(rng: random.Random) -> Document:
    """A name that has to be written again: a letter, a label, a call."""
    ((name, other),) = english.fresh_pairs(rng, english.NAMES, english.NAMES, 1, False)
    item, place = rng.choice(english.ITEMS), rng.choice(english.PLACES)
    case = rng.randrange(6)
    if case == 0:
        return [
            (f"A letter from {other} to {name}. Dear", False),
            (f" {name}", True),
            (f", thank you for the {item}. {english.plain_sentence(rng)} Yours,", False),
            (f" {other}", True),
            (".", False),
        ]
    if case == 1:
        return [
            (f'"{name}!" called {other}. "{name}!', False),
            (f" {name}", True),
            (f', where are you?" But only {other} was in the {place}, and', False),
            (f" {name}", True),
            (" did not answer.", False),
        ]
    if case == 2:
        return [
            (f"My name is {name}. {english.plain_sentence(rng)} I am", False),
            (f" {name}", True),
            (f", and my friend is {other}. We are", False),
            (f" {name}", True),
            (" and", False),
            (f" {other}", True),
            (".", False),
        ]
    if case == 3:
        return [
            (f"The {item} of {name}: on it stands the name", False),
            (f" {name}", True),
            (f". {other} reads it and says:", False),
            (f" {name}", True),
            (".", False),
        ]
    if case == 4:
        names = rng.sample(english.NAMES, rng.randint(3, 7))
        text = "Names: " + ", ".join(names) + ". " + rng.choice(["Again:", "Called:", "Written:"])
        return [(text, False), *listed(names), (".", False)]
    return [
        (
            f"{name} went to the {place}. {english.plain_sentence(rng)} Who went to the {place}?",
            False,
        ),
        (f" {name}", True),
        (f". {other} saw", False),
        (f" {name}", True),
        (" there.", False),
    ]


SAID = (
    """
Good morning|How are you|I lost my hat|It is late|Come with me|I do not know|Wait for me|Yes|No
Where is the key|It is by the door|Look at the sky|I am hungry|Let us go home|Tell me a story
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


def dialogue_document(rng: random.Random) -> Document:
    """Two or three who speak in turn: the next one is never the one who spoke last."""
    speakers = rng.sample(english.NAMES, rng.choice((2, 2, 2, 3)))
    form = rng.choice(["{}: ", "said"])
    document: Document = [(f"{' and '.join(speakers)} talked.", False)]
    for turn in range(rng.randint(4, 7)):
        speaker, words = speakers[turn % len(speakers)], rng.choice(SAID)
        known = turn > 0
        if form == "said":
            document += [(f' "{words}," said', False), (f" {speaker}", known), (".", False)]
        else:
            document += [(f" {speaker}", known), (f": {words}.", False)]
    return document


def brackets_document(rng: random.Random) -> Document:
    """Brackets of four kinds, one inside another, each closed by its own; or a quoted speech."""
    words = iter(some_words(rng, 10, 14, names=0.3) * 3)
    document: Document = []
    open_ones: list[str] = []
    for _ in range(rng.randint(8, 20)):
        roll = rng.random()
        if roll < 0.35 and len(open_ones) < 4:
            left, right = rng.choice(BRACKETS)
            document.append((f" {left}", False))
            open_ones.append(right)
        elif roll < 0.7 and open_ones:
            # that it closes is a surprise, with what it closes is not: the word says so
            document += [(" end", False), (f" {open_ones.pop()}", True)]
        else:
            document.append((f" {next(words)}", False))
    for right in reversed(open_ones):
        document += [(" end", False), (f" {right}", True)]
    return [(document[0][0].strip(), False), *document[1:], (".", False)]


WANTED = (
    """
some apples|the early train|to say goodbye|a new hat|to see the sea|some bread|to buy a book
to sleep|a cup of tea|to hear the song|to go home|some milk|the red ball|to meet the teacher
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
WENT = ["went to", "ran to", "walked to", "came to", "waited at", "left", "looked for"]


def pronoun_document(rng: random.Random) -> Document:
    """Facts of a woman and a man, then "she" or "he", after whom the fact must follow at once."""
    woman, man = rng.choice(english.WOMEN), rng.choice(english.MEN)
    pair = [(woman, "she"), (man, "he")]
    rng.shuffle(pair)
    (who, pronoun), (other, _) = pair
    place = rng.choice([*english.PLACES, "market", "sea", "river"])
    if rng.random() < 0.5:
        wish = rng.choice(WANTED)
        met = rng.choice(["", f" with {other}", f" without {other}"])
        text = f"{who} {rng.choice(WENT)} the {place}{met} because"
        ask = rng.choice(
            [
                f"The one who wanted {wish} was",
                f"Who wanted {wish}? It was",
                f"So {wish}: this was for",
            ]
        )
        return [
            (text, False),
            (f" {pronoun}", True),
            (f" wanted {wish}. {ask}", False),
            (f" {who}", True),
            (".", False),
        ]
    kind = rng.choice(english.KINDS)
    (first, second), form = rng.sample(kind.words, 2), rng.choice(kind.statements)
    values = {who: first, other: second}
    people = [who, other] if rng.random() < 0.5 else [other, who]
    text = " ".join(form.format(n=name, v=values[name]) for name in people)
    link = rng.choice(["because", "and then", "while", "when"])
    text += f" {who} met {other}." if rng.random() < 0.5 else f" {other} saw {who}."
    document: Document = [(english.with_articles(text), False)]
    for word, value in rng.sample(
        [(pronoun, first), ("she" if pronoun == "he" else "he", second)], 2
    ):
        document += [
            (f" {english.capital(link)} {word}:", False),
            (f" {value}", True),
            (".", False),
        ]
    return document


def thing_document(rng: random.Random) -> Document:
    """What "it" is: the one that is too big, or the one that is too small, asked at once."""
    thing, holder = rng.choice(english.BIG_SMALL)
    neg = rng.choice(["doesn't fit", "does not fit", "did not fit", "would not go"])
    inside = rng.choice(["in", "into", "inside"])
    big = rng.random() < 0.7
    size = rng.choice(["big", "large", "wide", "long"] if big else ["small", "little", "narrow"])
    verb = rng.choice(["is", "was"])
    what = thing if big else holder
    if rng.random() < 0.5:
        return [
            (f"The {thing} {neg} {inside} the {holder} because the", False),
            (f" {what if rng.random() < 0.9 else thing}", False),
            (f" {verb} too {size}. It {verb} the", False),
            (f" {what}", True),
            (".", False),
        ]
    return [
        (f"The {thing} {neg} {inside} the {holder} because it {verb} too {size}.", False),
        (f" Too {size} {verb} the", False),
        (f" {what}", True),
        (".", False),
    ]


MAKERS: list[tuple[Callable[[random.Random], Document], float]] = [
    (english.facts_document, 0.34),
    (english.ioi_document, 0.09),
    (english.coreference_document, 0.04),
    (english.repeated_sentences_document, 0.05),
    (english.list_document, 0.05),
    (english.seen_before_document, 0.05),
    (english.story_document, 0.03),
    (english.plain_document, 0.02),
    (backwards_document, 0.04),
    (value_first_document, 0.05),
    (between_document, 0.04),
    (twice_document, 0.03),
    (count_document, 0.03),
    (other_order_document, 0.06),
    (all_but_document, 0.05),
    (names_again_document, 0.07),
    (dialogue_document, 0.05),
    (brackets_document, 0.03),
    (pronoun_document, 0.06),
    (thing_document, 0.03),
]


def document(rng: random.Random) -> Document:
    """One training document of any kind."""
    makers, shares = zip(*MAKERS, strict=True)
    return rng.choices(makers, shares)[0](rng)
