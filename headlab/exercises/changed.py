"""A question's text with one word changed: where it stands, and what the text becomes."""

from collections.abc import Iterable

from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import Question, whole_words
from headlab.exercises.kinds.base import Mistake
from headlab.interventions import with_word


def changed_text(question: Question, lab: MeasurementContext) -> str:
    """The text in which the word has become the other; HeadlabError for one of several tokens."""
    words = question.text.words
    begin = _changed(question)[-1]
    at = lab.find(words, begin, begin + len(str(question.change)))[-1]
    return with_word(lab.model, words, at, str(question.becomes), lab.start_token)


def _changed(question: Question) -> list[int]:
    """Where the word that is changed stands before the word looked at."""
    words = question.text.words
    looks = whole_words(str(question.from_word), words)
    seen = [at for at in whole_words(str(question.to_word), words) if looks and at < looks[-1]]
    return [at for at in whole_words(str(question.change), words) if seen and at < seen[-1]]


def check_change(question: Question) -> Iterable[Mistake]:
    """The changed word stands before the one looked at, and becomes another."""
    q = question
    if not whole_words(str(q.change), q.text.words):
        yield Mistake("change", f"{q.change!r} does not stand in the text: check its spelling.")
    elif not _changed(q):
        yield Mistake("change", f"{q.change!r} does not stand before {q.to_word!r}: name another.")
    if q.change == q.becomes:
        yield Mistake("becomes", "it is the same word: write another.")
