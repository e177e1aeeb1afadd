"""Texts that `mini`, which reads English, cuts into scraps."""

from collections.abc import Iterable

from headlab.exercises.format import Text
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import tokenise

PER_WORD = 2.2  # tokens: more are scraps; the worst of our guided texts has 1.36


def foreign_texts(model: LoadedModel, texts: Iterable[Text]) -> list[str]:
    """A sentence about each text of which a model that reads English makes scraps."""
    found = []
    for text in texts:
        tokens, words = len(tokenise(model, text.words, None)[0]), len(text.words.split())
        if words and tokens > PER_WORD * words:
            found.append(
                f"the text {text.name!r} has {tokens} tokens for {words} words: {model.name} reads "
                "English, and its heads find little in scraps of words; try the sheet on a model "
                "that knows the language."
            )
    return found
