"""A sheet out of its file: what the schema leaves open, and all mistakes told at once."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from headlab.behaviours import behaviours
from headlab.errors import HeadlabError, unknown
from headlab.exercises.format import (
    ROLE_PLACEHOLDERS,
    SCORE,
    Question,
    Sheet,
    Step,
    Text,
    lone_brace,
    placeholders,
    whole_words,
)
from headlab.exercises.guided import guided_texts
from headlab.exercises.kinds import get_kind, needs_second
from headlab.exercises.lines import Place
from headlab.exercises.mistakes import (
    FORBIDDEN,
    WORDS,
    Checked,
    short,
    words_fit,
    would_hold_an_answer,
)
from headlab.exercises.schema import QuestionFile, SheetFile, StepFile, layer_or_error
from headlab.models.tokens import check_text

GENERAL = frozenset({"ask", "kind", "text", "measure", "generic"})  # of every question
ROLES = ("top",)  # what words that give nothing away may name

# parts of a question that are not taken as they stand
_BY_ITSELF = {"text", "measure", "heads", "remove", "keep", "rule", "generic"}


class SheetReader:
    """One sheet's file; each part is checked by itself, so that one mistake hides no other."""

    def __init__(self, name: str, source: str, data: dict[str, Any]) -> None:
        self.name, self.data = name, data
        self.file = Checked(f"{name}.toml", source)
        self.texts: dict[str, Text | None] = {}  # None: there is something wrong with it

    def sheet(self, content_hash: str) -> Sheet:
        """The sheet; an error that names everything that is wrong with its file."""
        self._refuse_answers(self.data, ())
        found = self.file.read(SheetFile, self.data)
        self._own_texts(self.data.get("texts", {}))
        rows = self.data.get("steps")
        tables = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        steps = [self._step(index, row) for index, row in enumerate(tables)]
        self.file.finish()
        assert found is not None
        ready = tuple(step for step in steps if step is not None)
        questions = [q for step in ready for q in (step.question, step.transfer)]
        return Sheet(
            name=self.name,
            title=found.title,
            level=found.level,
            minutes=found.minutes,
            goal=found.goal,
            texts=tuple(text for text in self.texts.values() if text is not None),
            steps=ready,
            order=found.order,
            language=found.language,
            content_hash=content_hash,
            needs_second=any(map(needs_second, questions)),
        )

    def _refuse_answers(self, table: Any, place: Place) -> None:
        """Answers are measured, so a key that could hold one is a mistake at any depth."""
        items = enumerate(table) if isinstance(table, list) else ()
        for key, item in table.items() if isinstance(table, dict) else items:
            if str(key).lower().strip() in FORBIDDEN and place != ("texts",):
                self.file.add((*place, key), would_hold_an_answer(str(key)))
            self._refuse_answers(item, (*place, key))

    def _own_texts(self, table: Any) -> None:
        for name, words in table.items() if isinstance(table, dict) else ():
            self.texts[name] = None
            try:
                if name in guided_texts():
                    raise HeadlabError(
                        f"{name!r} is the name of a guided text: give your own text another name."
                    )
                if not words_fit(words):
                    raise HeadlabError(f"the text {name!r} must be {WORDS}.")
                self.texts[name] = Text(name, _readable(name, words))
            except HeadlabError as error:
                self.file.add(("texts", name), str(error))

    # -- steps

    def _step(self, index: int, row: dict[str, Any]) -> Step | None:
        place: Place = ("steps", index)
        if not row:
            self.file.add(place, "the step is empty: copy one from `sheets new`.")
            return None
        found = self.file.read(StepFile, row, place)
        asked = row.get("question")
        base = asked if isinstance(asked, dict) else {}
        question = self._question(base, (*place, "question")) if base else None
        transfer = self._derived(row.get("transfer"), base, (*place, "transfer")) if base else None
        if found is None:
            return None
        explore = self._text(found.explore, (*place, "explore"))
        if question is None or transfer is None or explore is None:
            return None
        if explore.words.split() == question.text.words.split():
            self.file.add(
                (*place, "explore"),
                "'explore' must be another text than the question's, else looking around shows "
                "the answer.",
            )
        if replace(transfer, ask=question.ask, generic=question.generic) == question:
            self.file.add(
                (*place, "transfer"),
                "it asks the same as the question: name another text, head, layer or behaviour.",
            )
        self._explanations(found, question, place)
        self._explanation(found.transfer_explanation or "", transfer, place, "transfer_explanation")
        return Step(
            title=found.title,
            look=found.look,
            explore=explore,
            question=question,
            observe=found.observe,
            hints=tuple(found.hints),
            explanation=found.explanation,
            transfer=transfer,
            transfer_explanation=found.transfer_explanation or "",
        )

    def _explanations(self, found: StepFile, question: Question, place: Place) -> None:
        """What the hints and the explanation have in braces."""
        figures = get_kind(question.kind).figures_of(question)
        for hint in found.hints:
            self._placeholders(hint, (*place, "hints"), figures.ask, ROLES)
        self._explanation(found.explanation, question, place, "explanation")

    def _explanation(self, words: str, question: Question, place: Place, key: str) -> None:
        for form in (question, question.generic or question):
            usable = get_kind(form.kind).figures_of(form).explanation
            self._placeholders(words, (*place, key), usable, ROLE_PLACEHOLDERS)

    def _placeholders(
        self, words: str, place: Place, usable: Collection[str], roles: Collection[str]
    ) -> None:
        for name in placeholders(words):
            role, colon, behaviour = name.partition(":")
            is_role = colon and role in roles and behaviour in behaviours()
            if not is_role and name not in usable:
                names = [*usable, *(f"{role}:induction" for role in roles)]
                self.file.add(place, str(unknown("placeholder", short(name), names)))
        if brace := lone_brace(words):
            self.file.add(
                place, f"a {brace} has no partner: write a placeholder as {{answer}}, in both."
            )

    # -- questions

    def _derived(self, table: Any, base: dict[str, Any], place: Place) -> Question | None:
        """A question that takes what it does not say from another one.

        With a kind or measure of its own it says everything but the text.
        """
        if not isinstance(table, dict) or not table:
            if len(place) > 3:  # of a question's own table; those of a step are in its schema
                self.file.add(place, f"'generic' must be a table [steps.{place[2]}.generic].")
            return None
        says_all = not {"kind", "measure"}.isdisjoint(table)
        taken = {"text", "kind"} if says_all else base.keys() - {"generic"}
        row = {key: base[key] for key in base if key in taken} | table
        if "ask" not in table:
            self.file.add(place, "'ask' is missing: say what is asked.")
        return self._question(row, place, table.keys())

    def _question(
        self, row: dict[str, Any], place: Place, own: Collection[str] | None = None
    ) -> Question | None:
        found = self.file.read(QuestionFile, row, place, own)
        text = None if found is None else self._text(found.text, (*place, "text"))
        if found is None or text is None or not self._keys_fit(found, row, place):
            return None
        measure = found.measure or get_kind(found.kind).measures[0]
        question = Question(
            text=text,
            measure=measure,
            **found.model_dump(exclude=_BY_ITSELF),
            heads=None if found.heads is None else (found.heads[0], found.heads[1]),
            remove=tuple(found.remove),
            keep=tuple(found.keep),
            rule=found.rule,
        )
        figures = get_kind(found.kind).figures_of(question)
        self._placeholders(question.ask, (*place, "ask"), figures.ask, ROLES)
        if not self._agrees(question, place):
            return None
        return self._with_generic(question, row, place)

    def _text(self, name: str, place: Place) -> Text | None:
        guided = guided_texts()
        if name in self.texts:
            return self.texts[name]
        if name in guided:
            return Text(name, guided[name].text, guided[name].facts, guided=True)
        self.file.add(place, str(unknown("text", short(name), [*self.texts, *guided])))
        return None

    def _keys_fit(self, found: QuestionFile, row: dict[str, Any], place: Place) -> bool:
        """Whether these keys and values belong to a question of this kind by this measure."""
        kind, wrong = get_kind(found.kind), len(self.file.mistakes)
        measure = row.get("measure", kind.measures[0] if len(kind.measures) == 1 else None)
        if measure is None:
            known = ", ".join(kind.measures)
            self.file.add(place, f"'measure' is missing: use one of {known}.")
            return False
        if measure not in kind.measures:
            what = str(unknown("measure", short(measure), kind.measures))
            self.file.add((*place, "measure"), what)
            return False
        needs, may = kind.keys_of(measure)
        for key in sorted(needs - row.keys()):
            self.file.add(place, f"a {kind.name!r} question by {measure} needs {key!r}.")
        for key in sorted(row.keys() - needs - may - GENERAL):
            self.file.add(
                (*place, key),
                f"{key!r} means nothing in a {kind.name!r} question by {measure}: delete it.",
            )
        if found.by not in kind.by:
            self.file.add((*place, "by"), str(unknown("by", short(found.by), kind.by)))
        try:
            layer_or_error(0 if found.layer is None else found.layer, kind.layers)
        except HeadlabError as error:
            self.file.add((*place, "layer"), str(error))
        if measure == SCORE and found.behaviour and behaviours()[found.behaviour].needs_model:
            what = f'one text cannot show {found.behaviour}: use measure = "profile".'
            self.file.add((*place, "behaviour"), what)
        return len(self.file.mistakes) == wrong

    def _agrees(self, question: Question, place: Place) -> bool:
        """Whether the rules between its keys are kept."""
        wrong = len(self.file.mistakes)
        words, text = question.text.words, question.text.name
        looks, looked_at = question.from_word, question.to_word
        for key, word in (("from", looks), ("to", looked_at)):
            if word is not None and not whole_words(word, words):
                what = f"{word!r} does not stand in the text {text!r}: check its spelling."
                self.file.add((*place, key), what)
        if len(self.file.mistakes) == wrong and not _in_order(looked_at, looks, words):
            self.file.add(
                (*place, "to"),
                f"{looked_at!r} does not stand before {looks!r}, and a head looks back only: "
                "exchange them.",
            )
        for key, what in get_kind(question.kind).check(question):
            self.file.add((*place, key) if key else place, what)
        return len(self.file.mistakes) == wrong

    def _with_generic(
        self, question: Question, row: dict[str, Any], place: Place
    ) -> Question | None:
        """Whoever names a head or layer that some models lack says what is asked there instead."""
        named = question.named_heads
        fixed = bool(named) or (isinstance(question.layer, int) and question.layer > 0)
        if "generic" not in row:
            if fixed:
                table = ".".join(str(part) for part in place if isinstance(part, str))
                self.file.add(
                    place,
                    f"it names {named[0] if named else f'layer {question.layer}'}, which other "
                    f"models may lack: add [{table}.generic] with a form that names none.",
                )
            return question
        if not fixed:
            what = "'generic' needs a question that names a head or layer."
            self.file.add((*place, "generic"), what)
            return question
        generic = self._derived(row["generic"], row, (*place, "generic"))
        return None if generic is None else replace(question, generic=generic)


def _in_order(looked_at: str | None, looks: str | None, words: str) -> bool:
    """Whether the word that is looked at stands before the one that looks, if both are named."""
    if not (looked_at and looks):
        return True
    return whole_words(looks, words)[-1] > whole_words(looked_at, words)[0]


def _readable(name: str, words: str) -> str:
    """Words that a model can be given; whatever else is said of them, it names the text."""
    try:
        return check_text(words)
    except HeadlabError as error:
        raise HeadlabError(f"the text {name!r} cannot be used. {error}") from error
