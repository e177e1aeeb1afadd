"""Checks what a sheet's file says; whatever is wrong gets a sentence with file, line and remedy."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from headlab.behaviours import behaviours
from headlab.errors import HeadlabError, unknown
from headlab.exercises.format import (
    ASK_PLACEHOLDERS,
    ATTENTION,
    BY,
    BY_OF_MODELS,
    CLAIM,
    FORBIDDEN,
    KINDS,
    LEVELS,
    MAX_HINTS,
    MAX_REMOVED,
    MAX_STEPS,
    MAX_TEXT_LENGTH,
    MEASURES,
    PLACEHOLDERS,
    PROFILE,
    QUESTION_KEYS,
    ROLE_PLACEHOLDERS,
    SCORE,
    SHAPE_NAMES,
    SHAPES_COUNT,
    SHEET_KEYS,
    STEP_KEYS,
    WHICH_LAYER,
    WHICH_MODEL,
    WHICH_SHAPE,
    WHICH_TOKEN,
    Question,
    Sheet,
    Step,
    Text,
    has_placeholder,
    placeholders,
    whole_words,
)
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.models.tokens import check_text

_SIZE = f"not empty and at most {MAX_TEXT_LENGTH:,} characters long"


class Parser:
    """Checks the tables of one file; ``fail`` finds the line of what is wrong."""

    def __init__(self, name: str, source: str, data: dict[str, Any]) -> None:
        self.name, self.lines, self.data = name, source.splitlines(), data
        self.texts: dict[str, Text] = {}

    def fail(self, what: str, step: int | None = None, key: str = "", part: str = "") -> NoReturn:
        line = self._line(step, part, key)
        place = f"step {step + 1}, " if step is not None else ""
        within = f"{part}: " if part else ""
        raise HeadlabError(f"{self.name}.toml, line {line}: {place}{within}{what}")

    def _line(self, step: int | None, part: str, key: str) -> int:
        """The line of a key in a step's part, else of the part, else of the step, else 1."""
        begin, end = 0, len(self.lines)
        if step is not None:
            heads = self._matching(r"\s*\[\[\s*steps\s*\]\]", 0, end)
            if step < len(heads):
                begin = heads[step]
                end = heads[step + 1] if step + 1 < len(heads) else end
        for name in part.split("."):
            found = self._matching(
                rf"\s*(\[.*\b{re.escape(name)}\s*\]|{re.escape(name)}\s*=)", begin, end
            )
            begin = found[0] if name and found else begin
        pattern = rf"\s*(\[+[^\]]*\b)?[\"']?{re.escape(key)}[\"']?\s*(=|\.|\])"
        found = self._matching(pattern, begin, end) if key else []
        return (found[0] if found else begin) + 1

    def _matching(self, pattern: str, begin: int, end: int) -> list[int]:
        return [i for i in range(begin, end) if re.match(pattern, self.lines[i])]

    # -- whole sheet

    def sheet(self, content_hash: str) -> Sheet:
        self._refuse_answers(self.data, None, "")
        self._known(self.data, SHEET_KEYS, None, "")
        texts = self._table(self.data.get("texts", {}), "texts")
        for name, words in texts.items():
            if name in guided_texts():
                self.fail(
                    f"{name!r} is the name of a guided text: give your own text another name.",
                    key=name,
                )
            if not isinstance(words, str) or not words.strip() or len(words) > MAX_TEXT_LENGTH:
                self.fail(f"the text {name!r} must be words in quotes, {_SIZE}.", key=name)
            self.texts[name] = Text(name, self._readable(name, words))
        minutes = self._number(self.data, "minutes", 1, 120, whole=True)
        order = self._number(self.data, "order", 0, 10_000, whole=True, default=100)
        rows = self.data.get("steps")
        if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
            self.fail("there is no step: a sheet needs at least one [[steps]].", key="steps")
        if len(rows) > MAX_STEPS:
            self.fail(f"{len(rows)} steps are too many: a sheet may have {MAX_STEPS}.")
        steps = tuple(self._step(index, row) for index, row in enumerate(rows))
        return Sheet(
            name=self.name,
            title=self._words(self.data, "title"),
            level=self._choice(self.data, "level", LEVELS),
            minutes=int(minutes),
            goal=self._words(self.data, "goal"),
            texts=tuple(self.texts.values()),
            steps=steps,
            order=int(order),
            content_hash=content_hash,
        )

    def _readable(self, name: str, words: str) -> str:
        """Words that a model can be given; whatever else is said of them, it names the text."""
        try:
            return check_text(words)
        except HeadlabError as error:
            self.fail(f"the text {name!r} cannot be used. {error}", key=name)

    def _refuse_answers(self, table: Any, step: int | None, part: str) -> None:
        """Answers are measured, so a key that could hold one is an error at any depth."""
        if isinstance(table, list):
            for index, item in enumerate(table):
                self._refuse_answers(item, index if part == "steps" else step, part)
        elif isinstance(table, dict):
            for key, item in table.items():
                inside_texts = part == "texts" and step is None
                if key.lower().strip() in FORBIDDEN and not inside_texts:
                    self.fail(
                        f"{key!r} would hold an answer: delete it, answers are measured when the "
                        "question is prepared.",
                        step,
                        key,
                    )
                self._refuse_answers(item, step, key)

    # -- steps and questions

    def _step(self, index: int, row: dict[str, Any]) -> Step:
        if not row:
            self.fail("the step is empty: copy one from `sheets new`.", index)
        self._known(row, STEP_KEYS, index, "")
        question = self._question(row.get("question"), index, "question")
        explore = self._text(row, "explore", index, "")
        if _same_words(explore, question.text):
            self.fail(
                "'explore' must be another text than the question's, else looking around shows "
                "the answer.",
                index,
                "explore",
            )
        hints: Any = row.get("hints")
        if not isinstance(hints, list) or not 1 <= len(hints) <= MAX_HINTS:
            self.fail(f"'hints' must be a list of 1 to {MAX_HINTS} texts.", index, "hints")
        for hint in hints:
            self._check_words(hint, "hints", index, "")
            self._placeholders(hint, "hints", index, "", ASK_PLACEHOLDERS, question, ("top",))
        explanation = self._words(row, "explanation", index)
        for form in (question, question.generic or question):
            self._placeholders(
                explanation, "explanation", index, "", PLACEHOLDERS, form, ROLE_PLACEHOLDERS
            )
        transfer = self._derived(row.get("transfer"), row["question"], index, "transfer")
        if replace(transfer, ask=question.ask, generic=question.generic) == question:
            self.fail(
                "it asks the same as the question: name another text, head, layer or behaviour.",
                index,
                part="transfer",
            )
        return Step(
            title=self._words(row, "title", index),
            look=self._words(row, "look", index),
            explore=explore,
            question=question,
            observe=self._words(row, "observe", index),
            hints=tuple(hints),
            explanation=explanation,
            transfer=transfer,
        )

    def _derived(self, table: Any, base: dict[str, Any], step: int, part: str) -> Question:
        """A question that takes what it does not say from another one.

        With a kind or measure of its own it says everything but the text.
        """
        own = self._table(table, part, step)
        if {"kind", "measure"} & own.keys():
            inherited = {"text": base["text"], "kind": base["kind"]}
        else:
            inherited = {key: value for key, value in base.items() if key != "generic"}
        if "ask" not in own:
            self.fail("'ask' is missing: say what is asked.", step, part=part)
        return self._question({**inherited, **own}, step, part)

    def _question(self, table: Any, step: int, part: str) -> Question:
        row = self._table(table, part, step)
        self._known(row, QUESTION_KEYS, step, part)
        kind = self._choice(row, "kind", tuple(KINDS), step, part)
        allowed, needed, optional = KINDS[kind]
        measure = row.get("measure", allowed[0] if len(allowed) == 1 else None)
        if not isinstance(measure, str) or measure not in allowed:
            self._unknown("measure", measure, allowed, "measure", step, part)
        if kind == WHICH_SHAPE:
            wanted: frozenset[str] = frozenset()
        elif kind == WHICH_TOKEN:
            wanted = frozenset()
        else:
            wanted = MEASURES[measure]
        if measure == SHAPES_COUNT:
            wanted, optional = frozenset({"layer"}), frozenset({"at_least", "at_most"})
        needed = needed | wanted
        general = {"ask", "kind", "text", "measure", "generic"}
        for key in sorted(needed - row.keys()):
            self.fail(f"a {kind!r} question by {measure} needs {key!r}.", step, part=part)
        for key in row.keys() - needed - optional - general:
            self.fail(
                f"{key!r} means nothing in a {kind!r} question by {measure}: delete it.",
                step,
                key,
                part,
            )
        by = BY_OF_MODELS if kind == WHICH_MODEL else BY
        question = Question(
            ask=self._words(row, "ask", step, part),
            kind=kind,
            text=self._text(row, "text", step, part),
            measure=measure,
            behaviour=self._behaviour(row, "behaviour", measure, step, part),
            shape=self._choice(row, "shape", SHAPE_NAMES, step, part) if "shape" in row else None,
            from_word=self._words(row, "from", step, part) if "from" in row else None,
            to_word=self._words(row, "to", step, part) if "to" in row else None,
            head=self._head(row["head"], "head", step, part) if "head" in row else None,
            heads=self._two_heads(row, step, part) if "heads" in row else None,
            layer=self._layer(row, kind, step, part),
            among=self._behaviour(row, "among", PROFILE, step, part),
            by=self._choice(row, "by", by, step, part) if "by" in row else "strongest",
            passing=self._optional_number(row, "passing", 0, 1, step, part),
            at_least=self._bound(row, "at_least", step, part),
            at_most=self._bound(row, "at_most", step, part),
            rises=self._flag(row, "rises", step, part),
            without_first=self._flag(row, "without_first", step, part),
            remove=self._removed(row, step, part) if "remove" in row else (),
            watch=self._watch(row, measure, step, part) if "watch" in row else None,
        )
        self._agreement(question, step, part)
        self._placeholders(question.ask, "ask", step, part, ASK_PLACEHOLDERS, question, ("top",))
        return self._with_generic(question, row, step, part)

    def _agreement(self, question: Question, step: int, part: str) -> None:
        """Rules that tie several keys together."""
        q = question
        for word in (q.from_word, q.to_word):
            if word is not None and not whole_words(word, q.text.words):
                self.fail(
                    f"{word!r} does not stand in the text {q.text.name!r}: check its spelling.",
                    step,
                    "from" if word == q.from_word else "to",
                    part,
                )
        if q.measure == ATTENTION and q.to_word and len(whole_words(q.to_word, q.text.words)):
            first_to = whole_words(q.to_word, q.text.words)[0]
            if whole_words(q.from_word or "", q.text.words)[-1] <= first_to:
                self.fail(
                    f"{q.to_word!r} does not stand before {q.from_word!r}, and a head looks back "
                    "only: exchange them.",
                    step,
                    "to",
                    part,
                )
        if q.kind == WHICH_LAYER and q.passing is not None and q.by != "count":
            self.fail("'passing' needs by = \"count\".", step, "passing", part)
        if q.kind == CLAIM:
            if q.head is not None and (q.layer is not None or q.among or q.passing is not None):
                self.fail(
                    "a claim is about a head or about a layer: delete one.", step, "head", part
                )
            if q.rises and q.layer != "every":
                self.fail("'rises' needs layer = \"every\".", step, "rises", part)
            if q.rises is (q.at_least is not None or q.at_most is not None):
                self.fail(
                    "a claim needs a bound: 'at_least', 'at_most' or both, or else rises = true.",
                    step,
                    part=part,
                )
            bounds = (q.at_least, q.at_most)
            if "all" in bounds and (q.head is not None or q.measure == SHAPES_COUNT):
                self.fail('"all" counts heads, and this claim does not.', step, part=part)
            if "threshold" in bounds and q.head is None:
                self.fail('"threshold" needs a claim about one head.', step, part=part)

    def _with_generic(
        self, question: Question, row: dict[str, Any], step: int, part: str
    ) -> Question:
        """Whoever names a head or layer that some models lack says what is asked there instead."""
        named = question.named_heads
        fixed = bool(named) or (isinstance(question.layer, int) and question.layer > 0)
        if "generic" not in row:
            if fixed:
                self.fail(
                    f"it names {named[0] if named else f'layer {question.layer}'}, which other "
                    f"models may lack: add [steps.{part}.generic] with a form that names none.",
                    step,
                    part=part,
                )
            return question
        if not fixed:
            self.fail(
                "'generic' needs a question that names a head or layer.", step, "generic", part
            )
        generic = self._derived(row["generic"], row, step, f"{part}.generic")
        return replace(question, generic=generic)

    # -- single values

    def _table(self, value: Any, part: str, step: int | None = None) -> dict[str, Any]:
        if not isinstance(value, dict) or (not value and part != "texts"):
            name = part if step is None else f"steps.{part}"
            self.fail(f"there is no {part!r}: add a table [{name}].", step, part)
        return value

    def _known(
        self, row: Mapping[str, Any], known: Iterable[str], step: int | None, part: str
    ) -> None:
        for key in row:
            if key not in known:
                self.fail(f"{unknown('key', _short(key), known)}", step, key, part)

    def _unknown(
        self, what: str, value: Any, known: Iterable[str], key: str, step: int | None, part: str
    ) -> NoReturn:
        if value is None:
            self.fail(f"{key!r} is missing: use one of {', '.join(known)}.", step, key, part)
        self.fail(f"{unknown(what, _short(value), known)}", step, key, part)

    def _words(
        self, row: Mapping[str, Any], key: str, step: int | None = None, part: str = ""
    ) -> str:
        if key not in row:
            self.fail(f'{key!r} is missing: add {key} = "...".', step, key, part)
        return self._check_words(row[key], key, step, part)

    def _check_words(self, value: Any, key: str, step: int | None, part: str) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT_LENGTH:
            self.fail(f"{key!r} must be a text in quotes, {_SIZE}.", step, key, part)
        return str(value)

    def _choice(
        self,
        row: Mapping[str, Any],
        key: str,
        known: tuple[str, ...],
        step: int | None = None,
        part: str = "",
    ) -> str:
        value = row.get(key)
        if not isinstance(value, str) or value not in known:
            self._unknown(key, value, known, key, step, part)
        return str(value)

    def _text(self, row: Mapping[str, Any], key: str, step: int, part: str) -> Text:
        name = row.get(key)
        guided = guided_texts()
        if isinstance(name, str) and name in self.texts:
            return self.texts[name]
        if isinstance(name, str) and name in guided:
            return Text(name, guided[name].text, guided[name].facts, guided=True)
        self._unknown("text", name, [*self.texts, *guided], key, step, part)

    def _behaviour(
        self, row: Mapping[str, Any], key: str, measure: str, step: int, part: str
    ) -> str | None:
        if key not in row:
            return None
        name = self._choice(row, key, tuple(behaviours()), step, part)
        if measure == SCORE and behaviours()[name].needs_model:
            self.fail(f'one text cannot show {name}: use measure = "profile".', step, key, part)
        return name

    def _head(self, value: Any, key: str, step: int, part: str) -> str:
        role, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
        if role in ("top", "here"):
            if name not in behaviours():
                self._unknown("behaviour", name, behaviours(), key, step, part)
            return str(value)
        try:
            return str(Head.parse(value))
        except HeadlabError:
            self.fail(
                f'{_short(value)} is no head: write one in quotes such as "L5.H10", or a role '
                'such as "top:induction".',
                step,
                key,
                part,
            )

    def _two_heads(self, row: Mapping[str, Any], step: int, part: str) -> tuple[str, str]:
        value = row["heads"]
        if not isinstance(value, list) or len(value) != 2:
            self.fail("'heads' must be a list of two heads.", step, "heads", part)
        first, second = (self._head(head, "heads", step, part) for head in value)
        if first == second:
            self.fail("'heads' names the same head twice.", step, "heads", part)
        return first, second

    def _removed(self, row: Mapping[str, Any], step: int, part: str) -> tuple[str, ...]:
        value = row["remove"]
        names = value if isinstance(value, list) else [value]
        if not 1 <= len(names) <= MAX_REMOVED:
            self.fail(
                f"'remove' must be a head or a list of 1 to {MAX_REMOVED} heads.",
                step,
                "remove",
                part,
            )
        heads = tuple(self._head(name, "remove", step, part) for name in names)
        if len(set(heads)) < len(heads):
            self.fail("'remove' names the same head twice.", step, "remove", part)
        return heads

    def _watch(self, row: Mapping[str, Any], measure: str, step: int, part: str) -> str:
        word = self._words(row, "watch", step, part)
        if measure == SCORE:
            self.fail(
                "'watch' is a next token, and by score the head that leads in the behaviour is "
                "watched: delete it.",
                step,
                "watch",
                part,
            )
        role, colon, _ = word.partition(":")
        if colon and role in ("top", "here"):
            self.fail(
                f"{_short(word)!r} is a head, and 'watch' is a next token: for the score of the "
                'head that leads here use measure = "score" and name the behaviour.',
                step,
                "watch",
                part,
            )
        if len(word.split()) > 1:
            self.fail(
                f"{_short(word)!r} is more than one word: watch one token.", step, "watch", part
            )
        return word

    def _layer(self, row: Mapping[str, Any], kind: str, step: int, part: str) -> int | str | None:
        if "layer" not in row:
            return None
        value = row["layer"]
        names = ("first", "middle", "last", *(("every",) if kind == CLAIM else ()))
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value in names or (whole and 0 <= value < 1_000):
            return value
        self.fail(
            f"{_short(value)} is no layer: give a number from 0, or one of {', '.join(names)}.",
            step,
            "layer",
            part,
        )

    def _number(
        self,
        row: Mapping[str, Any],
        key: str,
        low: float,
        high: float,
        step: int | None = None,
        part: str = "",
        whole: bool = False,
        default: float | None = None,
    ) -> float:
        value = row.get(key, default)
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            self.fail(f"{key!r} must be {kind} from {low} to {high}.", step, key, part)
        assert value is not None
        return value

    def _optional_number(
        self, row: Mapping[str, Any], key: str, low: float, high: float, step: int, part: str
    ) -> float | None:
        return self._number(row, key, low, high, step, part) if key in row else None

    def _bound(self, row: Mapping[str, Any], key: str, step: int, part: str) -> float | str | None:
        if row.get(key) in ("all", "threshold"):
            return str(row[key])
        return self._optional_number(row, key, 0, 10_000, step, part)

    def _flag(self, row: Mapping[str, Any], key: str, step: int, part: str) -> bool:
        value = row.get(key, False)
        if not isinstance(value, bool):
            self.fail(f"{key!r} must be true or false.", step, key, part)
        return value

    def _placeholders(
        self,
        words: str,
        key: str,
        step: int,
        part: str,
        known: tuple[str, ...],
        question: Question,
        roles: tuple[str, ...],
    ) -> None:
        for found in placeholders(words):
            role, colon, behaviour = found.partition(":")
            if colon and role in roles and behaviour in behaviours():
                continue
            usable = [name for name in known if has_placeholder(question, name)]
            if found not in usable:
                names = [*usable, *(f"{role}:induction" for role in roles)]
                self.fail(f"{unknown('placeholder', _short(found), names)}", step, key, part)


def _same_words(one: Text, other: Text) -> bool:
    return one.words.split() == other.words.split()


def _short(value: Any) -> str:
    words = str(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
