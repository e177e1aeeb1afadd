"""Text to tokens, exactly as the model sees it."""

import re
import threading
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal

from headlab import settings
from headlab.errors import HeadlabError
from headlab.files import MARK
from headlab.models.loaded import LoadedModel

StartToken = int | None | Literal["model"]

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # how SentencePiece names a token of one byte
_ONE_AT_A_TIME = threading.Lock()  # for tokenizers that calling changes


def resolve_start_token(model: LoadedModel, start_token: StartToken) -> int | None:
    """The id put before a text: the model's own policy for "model", else the id or None given."""
    if start_token == "model":
        return model.start_token
    if start_token is not None and not 0 <= start_token < len(model.tokenizer):
        raise HeadlabError(
            f"{start_token} is no token of {model.name}: its ids run from 0 to "
            f"{len(model.tokenizer) - 1}."
        )
    return start_token


def tokenise(
    model: LoadedModel, text: str, start_token: StartToken = "model"
) -> tuple[list[int], list[str]]:
    """The token ids of ``text`` and the piece of text each stands for, start token first.

    Markup and special-token names inside the text are ordinary text (but see
    ``LoadedModel.with_special_tokens``). Raises HeadlabError for a text that cannot be shown
    faithfully: blank, a single token, longer than the model reads, control characters, lone
    surrogates.
    """
    start = resolve_start_token(model, start_token)
    tokens = encode(model, check_text(text))
    if len(tokens) < 2:
        raise HeadlabError(
            "The text is a single token, so there is nothing to look back at: write at least "
            "two words."
        )
    if start is not None:
        tokens = [start, *tokens]
    if len(tokens) > model.max_tokens:
        raise HeadlabError(
            f"The text is {len(tokens):,} tokens long and {model.name} reads at most "
            f"{model.max_tokens:,}: shorten it by {len(tokens) - model.max_tokens:,} tokens."
        )
    if (most := settings.max_tokens()) is not None and len(tokens) > most:
        raise HeadlabError(
            f"The text is {len(tokens):,} tokens long and this laboratory reads at most {most:,} "
            f"(HEADLAB_MAX_TOKENS): shorten it by {len(tokens) - most:,} tokens."
        )
    texts = token_texts(model, tokens)
    first = 0 if start is None else 1
    if texts[first].startswith(" ") and not text[:1].isspace():  # no space stands there
        texts[first] = texts[first][1:]
    return tokens, texts


def check_text(text: str) -> str:
    """``text`` with its line ends made plain, or one sentence about what cannot be read in it."""
    text = text.removeprefix(MARK).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise HeadlabError("The text is empty: write a sentence of at least two words.")
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        if category == "Cs":
            raise HeadlabError(
                f"Character {position + 1} of the text is half of a character (a lone surrogate): "
                "delete it and type it again."
            )
        if category == "Cc" and character not in "\n\t":
            raise HeadlabError(
                f"Character {position + 1} of the text is a control character "
                f"(U+{ord(character):04X}): delete it."
            )
    return text


def chat_turn(model: LoadedModel, text: str) -> str:
    """``text`` as what a person says first to a chat model, up to where the model answers.

    The model's own template puts its special tokens around it, so it is to be read with them
    (``LoadedModel.with_special_tokens``). The start token is left out, as it is put before every
    text. Raises HeadlabError for a text that cannot be read, and for a model without a template or
    with one that fails.

    >>> from headlab import load_model
    >>> chat_turn(load_model("mini"), "Hello")
    Traceback (most recent call last):
    headlab.errors.HeadlabError: mini has no chat template: read the text as it is.
    """
    said = [{"role": "user", "content": check_text(text)}]
    if not has_chat_template(model):
        raise HeadlabError(f"{model.name} has no chat template: read the text as it is.")
    try:
        turn = model.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template is a program of the model's maker
        raise HeadlabError(
            f"The chat template of {model.name} fails on this text: read it as it is, with "
            "special tokens as tokens."
        ) from error
    start = "" if model.start_token is None else token_text(model, model.start_token)
    return str(turn).removeprefix(start)


def has_chat_template(model: LoadedModel) -> bool:
    """Whether the model's tokenizer says how a chat is written."""
    return bool(getattr(model.tokenizer, "chat_template", None))


def special_texts(model: LoadedModel) -> list[str]:
    """The names of the model's special tokens, such as ``<|endoftext|>``."""
    return list(map(str, model.tokenizer.all_special_tokens))


def encode(model: LoadedModel, text: str) -> list[int]:
    """The token ids of ``text`` alone, its special tokens read as the model is asked to."""
    return [token for token, _ in encode_with_places(model, text)]


def encode_with_places(model: LoadedModel, text: str) -> list[tuple[int, tuple[int, int]]]:
    """The same, each id with where its characters begin and end in ``text``.

    Nothing is changed on the way, so that threads may share a model.
    """
    special = model.special_tokens
    tokenizer = model.special_tokenizer if special else model.plain_tokenizer
    if tokenizer is None:
        with _ONE_AT_A_TIME:
            ids = model.tokenizer(
                text, add_special_tokens=False, split_special_tokens=not special, verbose=False
            ).input_ids
        return [(token, (0, 0)) for token in ids]  # such tokenizers know no places
    found = tokenizer.encode(text, add_special_tokens=False)
    return list(zip(found.ids, found.offsets, strict=True))


def find_in_text(
    model: LoadedModel, text: str, begin: int, end: int, start_token: int | None
) -> tuple[int, ...]:
    """Positions of the tokens that hold characters ``begin`` to ``end`` of ``text``."""
    shift = 0 if start_token is None else 1
    return tuple(
        index + shift
        for index, (_, (first, last)) in enumerate(encode_with_places(model, text))
        if first < end and last > begin
    )


def characters_of(
    model: LoadedModel, text: str, position: int, start_token: int | None
) -> tuple[int, int]:
    """Where the characters of the token at ``position`` begin and end in ``text``."""
    return encode_with_places(model, text)[position - (start_token is not None)][1]


def token_texts(model: LoadedModel, tokens: Sequence[int]) -> list[str]:
    """What each token adds to a text; bytes that are part of a character are shown as ⟨F0 9F⟩."""
    return [
        text if "\ufffd" not in text else _as_bytes(model, token, text)
        for token, text in zip(tokens, model.texts_of(tokens), strict=True)
    ]


def token_text(model: LoadedModel, token: int) -> str:
    """:func:`token_texts` of one token."""
    (text,) = token_texts(model, [token])
    return text


def _as_bytes(model: LoadedModel, token: int, text: str) -> str:
    """A token that is part of a character by its bytes, where the tokenizer names them."""
    piece = str(model.tokenizer.convert_ids_to_tokens(token))
    if named := _BYTE.fullmatch(piece):
        return f"⟨{named[1].upper()}⟩"
    table = _byte_of_character()
    if all(character in table for character in piece):
        return "⟨" + " ".join(f"{table[character]:02X}" for character in piece) + "⟩"
    return text


@cache
def _byte_of_character() -> dict[str, int]:
    """The printable stand-ins that byte-level tokenizers use for the 256 bytes."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in plain}
    others = (byte for byte in range(256) if byte not in plain)
    return table | {chr(0x100 + index): byte for index, byte in enumerate(others)}


def single_token(model: LoadedModel, word: str | int) -> int:
    """The one token that ``word`` is, a leading space counted; an id stays as it is.

    Raises HeadlabError for a word of several tokens and for an id that does not exist.
    """
    if not isinstance(word, str):
        if not 0 <= word < len(model.tokenizer):
            raise HeadlabError(
                f"{word} is no token of {model.name}: its ids run from 0 to "
                f"{len(model.tokenizer) - 1}."
            )
        return int(word)
    tokens = _inside(model, word)
    if len(tokens) == 1:
        return tokens[0]
    if len(_inside(model, f" {word}")) == 1:
        remedy = f"inside a text it is {f' {word}'!r}, with a space in front, which is one"
    else:
        remedy = "choose a word that is one, mostly a common one with a space in front"
    raise HeadlabError(f"{word!r} is {len(tokens)} tokens for {model.name}: {remedy}.")


def _inside(model: LoadedModel, word: str) -> list[int]:
    """The tokens of a word; with a space in front, those that it has inside a text."""
    if word.startswith(" "):
        before, whole = encode(model, "a"), encode(model, f"a{word}")
        if whole[: len(before)] == before:
            return whole[len(before) :]
    return encode(model, word)


def visible(text: str) -> str:
    """A token with its white space made visible."""
    return text.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥")
