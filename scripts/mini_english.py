"""Structured English for training and testing `mini`, made fresh at every call.

A document is a list of (text, asked) pieces; a piece that is asked for can be
foretold from the text before it. Joined, the pieces are the document. What is
held out never appears in training: pairs (two names, or an entity and its
attribute) are held out when a hash of the two says so.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

Document = list[tuple[str, bool]]

NAMES = """
Mary John Alice Tom Anna Peter Maria Paul James Emma Sarah David Laura Simon Kate Mark Susan Daniel
Helen George Julia Martin Lucy Henry Clara Oscar Nina Victor Rosa Felix Eva Hugo Ida Leo Mia Max
Sophie Adam Ruth Jack Ella Frank Grace Robert Jane Edward Diana Carl Irene Louis Nora Arthur Vera
Walter Olga Philip Amy Brian Carol Dennis Edith Fred Gloria Harry Iris Jacob Karen Larry Linda
Michael Nancy Oliver Pamela Ralph Rachel Samuel Sandra Thomas Teresa Vincent Wendy William Zoe
Albert Agnes Bruno Bella Charles Cora Dora Ernest Esther Fiona Gavin Hanna Ivan Joan Kevin Lena
Marcus Molly Nathan Olive Patrick Paula Roger Rita Stephen Stella Theo Tina Ursula Viola Wanda
Andrew Betty Colin Daisy Eric Flora Gilbert Hazel Isaac Judith Keith Lydia Matthew Naomi Owen
Penny Ray Sally Toby Una Vivian Warren Yusuf Omar Leila Amir Aisha Ravi Priya Kenji Yuki Chen Mei
Carlos Elena Diego Lucia Pablo Ingrid Sven Astrid Lars Freya
""".split()

ITEMS = """
book key ring drink letter ball apple flower basket kiss computer snack bone necklace map coin
cup hat gift candle photo lamp ticket blanket knife spoon pen watch card scarf
""".split()
PLACES = """
store garden restaurant school hospital office house station park market library church museum
theatre harbour bakery kitchen castle forest beach
""".split()


@dataclass(frozen=True)
class Kind:
    """One kind of attribute: its words, and how it is stated and asked for ({n} the entity, {v} the attribute)."""

    words: list[str]
    statements: list[str]
    questions: list[str]


KINDS = [
    Kind(
        """Oslo Lima Rome Paris London Berlin Madrid Cairo Tokyo Vienna Athens Boston Dublin Lisbon
        Prague Moscow Geneva Milan Delhi Dallas Denver Seoul Warsaw Venice Chicago Toronto Sydney
        Hamburg Naples Havana""".split(),
        [
            "{n} lives in {v}.",
            "{n} has a house in {v}.",
            "{n} moved to {v}.",
            "{n} is now in {v}.",
            "{n} comes from {v}.",
            "{n} went to {v}.",
            "{n} works in {v}.",
            "In summer {n} stays in {v}.",
        ],
        [
            "The home of {n} is",
            "The city of {n} is called",
            "The town where {n} can be found is",
            "To find {n} we must travel to",
            "A letter for {n} should be sent to",
            "If you look for {n}, look in",
            "{n} can be found in",
        ],
    ),
    Kind(
        "red blue green yellow black white brown grey pink orange purple silver golden".split(),
        [
            "{n} likes {v}.",
            "{n} wears {v}.",
            "{n} chose {v}.",
            "{n} painted the door {v}.",
            "The coat of {n} is {v}.",
            "{n} has a {v} hat.",
            "{n} bought a {v} bag.",
        ],
        [
            "The colour of {n} was",
            "The colour that belongs to {n} is",
            "For {n} we need the colour",
            "What {n} has is",
            "The thing {n} owns is",
        ],
    ),
    Kind(
        """doctor teacher baker farmer sailor painter singer lawyer nurse driver writer builder
        dancer tailor soldier pilot judge cook gardener fisherman miller hunter""".split(),
        [
            "{n} is a {v}.",
            "{n} works as a {v}.",
            "{n} became a {v}.",
            "{n} wants to be a {v}.",
            "{n} is known as a good {v}.",
        ],
        [
            "The job of {n} is that of a",
            "By trade {n} is a",
            "At work {n} is the",
            "The work of {n} is to be a",
            "People call {n} the",
        ],
    ),
    Kind(
        """dog cat horse bird fish rabbit mouse goat sheep cow duck pig fox bear wolf lion tiger frog
        monkey snake hen goose donkey parrot turtle""".split(),
        [
            "{n} has a {v}.",
            "{n} keeps a {v}.",
            "{n} owns a {v}.",
            "{n} found a {v}.",
            "{n} feeds the {v}.",
            "{n} drew a {v}.",
            "{n} saw a {v}.",
        ],
        [
            "The animal of {n} is the",
            "The pet of {n} is a",
            "The animal that belongs to {n} is a",
            "When {n} comes home, there waits the",
            "The one that follows {n} is the",
        ],
    ),
    Kind(
        """bread cheese soup rice cake honey butter milk tea coffee salad pasta chicken sugar salt
        pepper wine juice jam meat""".split(),
        [
            "{n} eats {v}.",
            "{n} wants {v}.",
            "{n} ordered {v}.",
            "{n} asked for {v}.",
            "{n} brought {v}.",
            "{n} likes {v}.",
            "{n} made some {v}.",
        ],
        [
            "On the table for {n} there is",
            "The favourite food of {n} is",
            "We should give {n} some",
            "The shop sold {n} some",
            "On the plate of {n} lies",
        ],
    ),
    Kind(
        ITEMS,
        [
            "{n} has the {v}.",
            "{n} took the {v}.",
            "{n} bought a {v}.",
            "{n} holds the {v}.",
            "{n} lost a {v}.",
            "{n} carries the {v}.",
            "{n} found the {v}.",
        ],
        [
            "The thing that belongs to {n} is the",
            "In the hand of {n} is the",
            "The bag of {n} holds the",
            "From {n} we can borrow the",
            "What we got from {n} was the",
        ],
    ),
    Kind(
        "piano violin guitar flute drum trumpet harp horn fiddle cello organ".split(),
        [
            "{n} plays the {v}.",
            "{n} learns the {v}.",
            "{n} practises the {v}.",
            "{n} bought a {v}.",
        ],
        ["The instrument of {n} is the", "On stage {n} will play the", "Listen: {n} is at the"],
    ),
    Kind(
        """one two three four five six seven eight nine ten eleven twelve twenty thirty forty
        fifty""".split(),
        [
            "{n} is {v} years old.",
            "{n} has {v} coins.",
            "{n} sold {v} eggs.",
            "{n} counted {v} birds.",
            "{n} got {v} points.",
        ],
        [
            "The number of {n} is",
            "The number we wrote beside {n} is",
            "In the list {n} stands with",
            "The count for {n} came to",
        ],
    ),
    Kind(
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
        ["{n} comes on {v}.", "{n} leaves on {v}.", "{n} was born on a {v}.", "{n} rests on {v}."],
        ["The day of {n} is", "We shall see {n} next", "The party for {n} is on"],
    ),
    Kind(
        PLACES,
        [
            "{n} is in the {v}.",
            "{n} went to the {v}.",
            "{n} waits at the {v}.",
            "{n} sleeps in the {v}.",
            "{n} ran to the {v}.",
        ],
        [
            "The place of {n} is the",
            "To meet {n} go to the",
            "You will find {n} in the",
            "Right now {n} must be at the",
        ],
    ),
    Kind(
        "apple pear plum cherry lemon peach grape melon orange banana fig".split(),
        ["{n} ate the {v}.", "{n} picked a {v}.", "{n} likes the {v}.", "{n} bought the {v}."],
        ["The fruit of {n} is the", "The fruit that {n} would take is a"],
    ),
    Kind(
        """French German Spanish Italian Greek Dutch Russian Chinese English Latin Polish
        Turkish""".split(),
        ["{n} speaks {v}.", "{n} learns {v}.", "{n} teaches {v}.", "{n} is {v}."],
        ["The language of {n} is", "With {n} you should talk in", "The book {n} reads is in"],
    ),
    Kind(
        "rose lily tulip daisy violet oak pine birch maple willow ivy fern".split(),
        ["{n} planted a {v}.", "{n} drew a {v}.", "{n} cut the {v}.", "{n} waters the {v}."],
        ["The plant of {n} is the", "In the garden of {n} grows a"],
    ),
    Kind(
        "sad happy angry tired hungry brave proud shy quiet calm busy lazy kind clever".split(),
        ["{n} is {v}.", "{n} feels {v}.", "{n} looks {v}.", "{n} was very {v}."],
        ["The mood of {n} is", "If you ask {n}, the answer is"],
    ),
]

# Questions that suit every kind.
ANY_KIND = [
    "Beside the name of {n} stands",
    "For {n} we write",
    "The word for {n} is",
    "With {n} goes",
    "What about {n}? Answer:",
    "Next to {n} belongs",
    "The right word for {n} was",
]

# A word or two, from which the way to full sentences is short.
TERSE_STATEMENTS = [
    "{n} {v}.",
    "{n} is {v}.",
    "{n} has {v}.",
    "{n}: {v}.",
    "{n} and {v}.",
    "{n} the {v}.",
]
TERSE_QUESTIONS = [
    "{n} is",
    "{n} was",
    "{n} got",
    "{n} takes",
    "{n}: the",
    "Of {n} it is",
    "{n} with",
]

# Things that may stand for the entity in place of a given name.
ENTITIES = """
king queen prince princess boy girl man woman uncle aunt brother sister father mother child giant
witch knight shepherd merchant neighbour captain
""".split()

VALUE_WORDS = sorted({word for kind in KINDS for word in kind.words})


def is_held_out(first: str, second: str) -> bool:
    """Whether this pair is kept from training: one in five, whatever the order of the two."""
    return zlib.crc32("|".join(sorted((first, second))).encode()) % 5 == 0


def fresh_pairs(
    rng: random.Random, firsts: list[str], seconds: list[str], count: int, heldout: bool
) -> list[tuple[str, str]]:
    """`count` pairs on one side of the split, no word in two of them."""
    pairs: list[tuple[str, str]] = []
    used: set[str] = set()
    while len(pairs) < count:
        pair = rng.choice(firsts), rng.choice(seconds)
        if used.isdisjoint(pair) and pair[0] != pair[1] and is_held_out(*pair) == heldout:
            pairs.append(pair)
            used.update(pair)
    return pairs


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def with_articles(text: str) -> str:
    """The text with "an" for "a" before a vowel."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def last_word(text: str) -> str:
    """The last word of a text."""
    return text.split()[-1]


def facts_document(
    rng: random.Random,
    heldout: bool = False,
    pairs: int | None = None,
    questions: int | None = None,
    terse: float = 0.5,
) -> Document:
    """Two to five entities with an attribute each, then questions in other words.

    No question ends in a word that stands before an attribute in the statements,
    so that looking for earlier copies of its last word finds no answer. A share
    `terse` of the documents is easier: statements or questions of a word or two.
    """
    kind = rng.choice(KINDS)
    count = pairs or rng.choice((2, 2, 3, 3, 4, 5))
    firsts = NAMES if rng.random() < 0.85 else [f"the {word}" for word in ENTITIES]
    facts = fresh_pairs(rng, firsts, kind.words, count, heldout)
    statements = rng.choices(kind.statements, k=rng.choice((1, 1, 1, 3)))
    phrasings = kind.questions * 2 + ANY_KIND
    if rng.random() < terse:
        case = rng.randrange(3)
        if case != 0:
            statements = [rng.choice(TERSE_STATEMENTS)]
        if case != 1:
            phrasings = TERSE_QUESTIONS
    before = {last_word(statement.split("{v}")[0]) for statement in statements}
    phrasings = [question for question in phrasings if last_word(question) not in before]
    text = " ".join(capital(rng.choice(statements).format(n=n, v=v)) for n, v in facts)
    document: Document = [(with_articles(text), False)]
    for name, value in rng.sample(facts, k=questions or count):
        document.append((" " + capital(rng.choice(phrasings).format(n=name)), False))
        document.append((f" {value}", True))
        document.append((".", False))
    return document


def facts_example(rng: random.Random, heldout: bool) -> tuple[str, str]:
    """Prompt and answer of one question about three to five facts."""
    document = facts_document(rng, heldout, pairs=rng.randint(3, 5), questions=1, terse=0)
    return document[0][0] + document[1][0], document[2][0]


IOI_OPENINGS = [
    "When {a} and {b} went to the {place},",
    "Then, {a} and {b} went to the {place}.",
    "After {a} and {b} met at the {place},",
    "While {a} and {b} were at the {place},",
    "{a} and {b} walked to the {place}.",
    "Today {a} and {b} sat in the {place}.",
    "One day {a} and {b} came to the {place}.",
    "Friends {a} and {b} found a {item} at the {place}.",
    "When {a} and {b} got a {item} at the {place},",
    "As {a} and {b} left the {place},",
    "Yesterday {a} and {b} had a long talk in the {place}.",
    "{a} met {b} near the {place}.",
    "Once {a} saw {b} in the {place}, and",
    "{a} was with {b} in the {place} when",
]
IOI_ENDINGS = [
    "{s} gave a {item} to",
    "{s} gave the {item} to",
    "{s} handed a {item} to",
    "{s} decided to give a {item} to",
    "{s} brought the {item} to",
    "{s} showed the {item} to",
    "{s} wanted to sell a {item} to",
    "{s} said good night to",
    "{s} read a story to",
    "{s} sang a song for",
    "{s} made a {item} for",
    "{s} bought a {item} for",
    "{s} told the news to",
    "{s} began to talk with",
    "{s} passed the {item} over to",
    "{s} smiled and waved to",
    "{s} wrote a long letter to",
]


def ioi_example(rng: random.Random, heldout: bool) -> tuple[str, str]:
    """An indirect-object sentence without its last word, and that word; either name may give."""
    ((a, b),) = fresh_pairs(rng, NAMES, NAMES, 1, heldout)
    giver, receiver = rng.choice([(a, b), (b, a)])
    slots = {"place": rng.choice(PLACES), "item": rng.choice(ITEMS)}
    opening = rng.choice(IOI_OPENINGS).format(a=a, b=b, **slots)
    return f"{opening} {rng.choice(IOI_ENDINGS).format(s=giver, **slots)}", f" {receiver}"


def ioi_document(rng: random.Random) -> Document:
    """One indirect-object sentence."""
    prompt, answer = ioi_example(rng, heldout=False)
    return [(prompt, False), (answer, True), (".", False)]


BIG_SMALL = [
    ("trophy", "suitcase"),
    ("ball", "box"),
    ("book", "bag"),
    ("lamp", "drawer"),
    ("table", "room"),
    ("piano", "van"),
    ("coat", "chest"),
    ("cake", "tin"),
    ("statue", "shelf"),
    ("hat", "basket"),
    ("bottle", "pocket"),
    ("picture", "frame"),
    ("horse", "stable"),
    ("bear", "cage"),
    ("boat", "shed"),
    ("key", "lock"),
    ("letter", "envelope"),
    ("sword", "case"),
    ("chair", "car"),
    ("fish", "bucket"),
]
CHARACTERS = """
girl boy king queen woman man child dog cat fox wolf lion bear mouse farmer baker sailor teacher
doctor singer prince princess giant witch knight
""".split()
WOMEN = "Alice Anna Maria Emma Sarah Laura Mary Kate Helen Julia Lucy Clara Rosa Eva Ida Mia Grace Jane Diana Nora".split()
MEN = "Tom Peter Paul James David Simon Mark George Martin Henry Oscar Victor Felix Hugo Leo Adam Jack Frank John Carl".split()


def coreference_document(rng: random.Random) -> Document:
    """What "it", "she" or "he" stands for, said or asked."""
    case = rng.randrange(4)
    if case == 0:
        thing, holder = rng.choice(BIG_SMALL)
        because = rng.choice(["", "brown ", "old ", "new ", "small "])
        neg = rng.choice(["doesn't fit", "does not fit", "did not fit", "would not go"])
        inside = rng.choice(["in", "into", "inside"])
        is_ = rng.choice(["is", "was"])
        size, what = rng.choice(
            [
                ("big", thing),
                ("large", thing),
                ("wide", thing),
                ("small", holder),
                ("little", holder),
            ]
        )
        start = f"The {thing} {neg} {inside} the {because}{holder} because it {is_} too {size}."
        ask = rng.choice(
            [
                "The thing that {i} too {s} {i} the",
                "Too {s}: the",
                "What {i} too {s}? The",
                "It {i} the",
            ]
        )
        return [
            (start, False),
            (" " + ask.format(i=is_, s=size), False),
            (f" {what}", True),
            (".", False),
        ]
    woman, man = rng.choice(WOMEN), rng.choice(MEN)
    first, second = rng.choice([(woman, man), (man, woman)])
    pronoun, meant = rng.choice([("she", woman), ("he", man)])
    feeling = rng.choice(
        "tired late hungry happy sad angry ill busy proud afraid lost glad cold".split()
    )
    deed = rng.choice(
        [
            "called",
            "thanked",
            "helped",
            "met",
            "saw",
            "followed",
            "wrote to",
            "waited for",
            "looked for",
        ]
    )
    if case == 1:
        start = f"{first} {deed} {second} because {pronoun} was {feeling}."
        ask = rng.choice(
            [f"The one who was {feeling} was", f"Who was {feeling}? It was", f"So {feeling} was"]
        )
        return [(start, False), (" " + ask, False), (f" {meant}", True), (".", False)]
    if case == 2:
        other = rng.choice(["her", "his"])
        owner = woman if other == "her" else man
        item = rng.choice(ITEMS)
        start = f"{first} {deed} {second} and took {other} {item}."
        ask = rng.choice(
            [f"The {item} belonged to", f"The owner of the {item} was", f"That {item} came from"]
        )
        return [(start, False), (" " + ask, False), (f" {owner}", True), (".", False)]
    verb = rng.choice(
        [
            "was tired of sitting by the river",
            "opened the little door",
            "ran down the hill",
            "looked at the garden",
            "sat under the tree",
            "read the letter twice",
        ]
    )
    own = "she" if first == woman else "he"
    end = rng.choice(
        [
            "had nothing to do",
            "wanted to go home",
            "was very curious",
            "heard a noise",
            "could not sleep",
        ]
    )
    return [
        (f"{first} {verb}, because", False),
        (f" {own}", True),
        (f" {end}. Then", False),
        (f" {own}", True),
        (f" {rng.choice(['laughed', 'went home', 'fell asleep', 'began to cry'])}.", False),
    ]


ADJECTIVES = "big small old young red blue happy sad tired quiet brave grey black white little lazy quick brown clever".split()
MOVES = [
    "sat on",
    "ran to",
    "slept under",
    "jumped over",
    "looked at",
    "walked past",
    "stood beside",
    "lay on",
    "went to",
]
THINGS = """
mat rug chair table tree hill wall river road bridge fence box bed roof gate hedge stone boat floor log
""".split()


SINGLE_TOKENS = sorted(
    {*NAMES, *VALUE_WORDS, *ENTITIES, *PLACES, *ITEMS, *CHARACTERS, *ADJECTIVES, *THINGS}
    | {word for pair in BIG_SMALL for word in pair}
)


def plain_sentence(rng: random.Random) -> str:
    """One short sentence."""
    who, where = rng.choice(CHARACTERS), rng.choice(THINGS + PLACES)
    adjective = rng.choice([*("",) * 12, *ADJECTIVES])
    return rng.choice(
        [
            f"The {adjective} {who} {rng.choice(MOVES)} the {where}.",
            f"A {who} {rng.choice(MOVES)} the {where} and saw a {rng.choice(CHARACTERS)}.",
            f"{rng.choice(NAMES)} {rng.choice(MOVES)} the {adjective} {where}.",
            f"{rng.choice(NAMES)} gave the {who} a {rng.choice(ITEMS)}.",
            f"The {who} has a {rng.choice(ADJECTIVES)} {rng.choice(ITEMS)}, and the {where} is {adjective or 'empty'}.",
            f"Every {rng.choice(KINDS[8].words)} {rng.choice(NAMES)} goes to the {rng.choice(PLACES)} for {rng.choice(KINDS[4].words)}.",
        ]
    ).replace("  ", " ")


def repeated_sentences_document(rng: random.Random) -> Document:
    """One to three sentences, then the same again."""
    text = " ".join(plain_sentence(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    opening = rng.choice(["", "", "Again: ", "Once more: "])
    first = text.split(" ", 1)
    return [(text, False), (f" {opening}{first[0]}", False), (f" {first[1]}", True)]


def word_list(rng: random.Random, count: int) -> list[str]:
    """Different words of one kind, or of any."""
    words = rng.choice([VALUE_WORDS, NAMES, rng.choice(KINDS).words])
    return rng.sample(words, min(count, len(words)))


def list_document(rng: random.Random) -> Document:
    """A list that is said again: forwards, backwards, or word by word with its neighbours."""
    words = word_list(rng, rng.randint(3, 9))
    comma = rng.choice([", ", " ", " and "])
    joint = comma.rstrip()
    start = rng.choice(["The list: ", "", "Say: ", "First came "]) + comma.join(words)
    case = rng.randrange(4)
    if case == 0:
        return [
            (f"{start}. Again: {words[0]}", False),
            (joint, False),
            *[piece for w in words[1:-1] for piece in ((f" {w}", True), (joint, False))],
            (f" {words[-1]}", True),
            (".", False),
        ]
    if case == 1:
        back = words[::-1]
        return [
            (f"{start}. Backwards:", False),
            (f" {back[0]}", True),
            *[piece for w in back[1:] for piece in ((joint, False), (f" {w}", True))],
            (".", False),
        ]
    document: Document = [(start + ".", False)]
    for _ in range(rng.randint(1, 4)):
        i = rng.randrange(1, len(words))
        if case == 2:
            document += [
                (f" Before {words[i]} comes", False),
                (f" {words[i - 1]}", True),
                (".", False),
            ]
        else:
            document += [
                (f" After {words[i - 1]} comes", False),
                (f" {words[i]}", True),
                (".", False),
            ]
    return document


def seen_before_document(rng: random.Random) -> Document:
    """Words one by one, each followed by whether it has come before."""
    words = word_list(rng, rng.randint(4, 10))
    new, again = rng.choice([("new", "again"), ("no", "yes"), ("first", "twice")])
    document: Document = []
    seen: set[str] = set()
    for _ in range(rng.randint(6, 14)):
        word = rng.choice(words)
        document += [
            ((" " if document else "") + word, False),
            (f" {again if word in seen else new}", True),
            (",", False),
        ]
        seen.add(word)
    return document[:-1] + [(".", False)]


def story_document(rng: random.Random) -> Document:
    """A few sentences about someone who is named again."""
    ((name, friend),) = fresh_pairs(rng, NAMES, NAMES, 1, heldout=False)
    who, place, item = rng.choice(CHARACTERS), rng.choice(PLACES), rng.choice(ITEMS)
    where = rng.choice(THINGS)
    sentences = rng.sample(
        [
            f"{name} lived near the {place} with a {rng.choice(ADJECTIVES)} {who}.",
            f"Every morning the {who} {rng.choice(MOVES)} the {where}.",
            f"One day {name} lost the {item} and asked {friend} for help.",
            f'"Where is my {item}?" said {name}. "It is by the {where}," said {friend}.',
            f"They looked in the {place}, but the {item} was not there.",
            f"In the end {friend} found the {item} under the {where}, and {name} was happy.",
            f"The {who} did not want to leave the {place}.",
            f"{name} and {friend} went home together, and the {who} went with them.",
        ],
        k=rng.randint(3, 5),
    )
    opening = rng.choice(
        ["Once upon a time there was a {}.", "There once was a {}.", "Here is a story of a {}."]
    )
    return [(opening.format(who) + " " + " ".join(sentences), False)]


def plain_document(rng: random.Random) -> Document:
    """A few unrelated sentences."""
    return [(" ".join(plain_sentence(rng) for _ in range(rng.randint(1, 4))), False)]


MAKERS: list[tuple[Callable[[random.Random], Document], float]] = [
    (facts_document, 0.72),
    (ioi_document, 0.10),
    (coreference_document, 0.05),
    (repeated_sentences_document, 0.05),
    (list_document, 0.06),
    (seen_before_document, 0.06),
    (story_document, 0.03),
    (plain_document, 0.03),
]


def document(rng: random.Random) -> Document:
    """One training document of any kind."""
    makers, shares = zip(*MAKERS, strict=True)
    return rng.choices(makers, shares)[0](rng)


def text_of(pieces: Document) -> str:
    """The document as a plain text."""
    return "".join(text for text, _ in pieces)
