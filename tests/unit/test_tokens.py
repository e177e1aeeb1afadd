"""What a learner types is read as it stands, or refused in one sentence."""

import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlab import HeadlabError, continue_text, read_text
from headlab.models.tokens import (
    chat_turn,
    check_text,
    encode,
    find_in_text,
    resolve_start_token,
    token_text,
    tokenise,
)
from tests.models import START, tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t \r\n", "\u00a0\u2003"])
def test_an_empty_or_blank_text_is_refused(model, text):
    with pytest.raises(HeadlabError, match="The text is empty"):
        tokenise(model, text)


def test_a_single_token_is_refused_even_behind_a_start_token(model):
    for start in ("model", None):
        with pytest.raises(HeadlabError, match="single token"):
            tokenise(model, " the", start)
    assert len(tokenise(model, " the the")[0]) == 3


def test_a_text_too_long_for_the_model_says_by_how_much(model):
    assert len(tokenise(model, " the" * 127)[0]) == 128
    with pytest.raises(HeadlabError, match="128: shorten it by 1 tokens") as error:
        tokenise(model, " the" * 128)
    assert "129 tokens long" in str(error.value)
    assert len(tokenise(model, " the" * 128, None)[0]) == 128
    with pytest.raises(HeadlabError, match="shorten it by 99,873"):
        tokenise(model, " the" * 100_000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b\0c", "Character 4 of the text is a control character (U+0000): delete it."),
        ("\x1b[31mred text", "Character 1 of the text is a control character (U+001B)"),
        ("two words\x7f", "Character 10 of the text is a control character (U+007F)"),
        ("two\x85words", "control character (U+0085)"),
        ("half \ud83d face", "Character 6 of the text is half of a character (a lone surrogate)"),
        ("half \udc00 face", "lone surrogate"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_place(model, text, words):
    with pytest.raises(HeadlabError) as error:
        tokenise(model, text)
    assert words in str(error.value) and "\n" not in str(error.value)
    str(error.value).encode("utf-8")  # the sentence itself can be shown


@pytest.mark.parametrize(
    "text",
    [
        "The cat sat.\nThe cat\tsat.",
        "smile 🙂 and a family 👨‍👩‍👧",
        "שלום עולם and مرحبا بالعالم",
        "right-to-left mark \u200f and zero\u200bwidth",
        "e\u0301 and é are two spellings",
        '<img src=x onerror="alert(1)">',
        "<script>alert(1)</script> & &amp; **bold** $x$ {{x}} %s",
        "汉字 and 日本語 text",
    ],
)
def test_other_text_is_read_letter_by_letter(model, text):
    tokens, texts = tokenise(model, text)
    assert model.tokenizer.decode(tokens[1:], clean_up_tokenization_spaces=False) == text
    assert len(texts) == len(tokens) and all(texts)


def test_line_ends_of_every_system_are_one(model):
    plain = tokenise(model, "one line\nand one")
    assert tokenise(model, "one line\r\nand one") == tokenise(model, "one line\rand one") == plain


def test_bytes_that_are_part_of_a_character_are_shown_as_bytes(model):
    texts = tokenise(model, "go 🙂")[1]
    assert "".join(texts[-4:]) in ("⟨F0⟩⟨9F⟩⟨99⟩⟨82⟩", " ⟨F0⟩⟨9F⟩⟨99⟩⟨82⟩")
    assert not any("\ufffd" in text for text in texts)


def test_a_replacement_character_that_was_typed_is_no_error(model):
    assert "".join(tokenise(model, "odd \ufffd sign")[1]).count("⟨") in (0, 3)


def test_a_special_token_typed_by_the_learner_is_plain_text(model):
    tokens, texts = tokenise(model, f"once {START} twice")
    assert tokens[0] == model.start_token and model.start_token not in tokens[1:]
    assert "".join(texts[1:]) == f"once {START} twice"
    assert encode(model, START) != [model.start_token]
    assert model.start_token not in tokenise(model, f"once {START} twice", None)[0]


def test_the_start_token_stands_first_and_can_be_left_out(model):
    tokens, texts = tokenise(model, "The cat sat")
    assert tokens[0] == 0 and texts[0] == START
    assert tokenise(model, "The cat sat", None) == (tokens[1:], texts[1:])
    assert tokenise(model, "The cat sat", 5)[0] == [5, *tokens[1:]]
    assert tokenise(replace(model, start_token=None), "The cat sat")[0] == tokens[1:]


def test_the_start_token_policy(model):
    assert resolve_start_token(model, "model") == 0
    assert resolve_start_token(model, None) is None
    assert resolve_start_token(model, 3) == 3
    assert resolve_start_token(model, 0) == 0  # an id like every other
    for wrong in (-1, len(model.tokenizer)):
        with pytest.raises(HeadlabError, match="ids run from 0 to 699"):
            resolve_start_token(model, wrong)


def test_token_texts_put_together_are_the_text(model):
    text = "The baker, who opened his shop early, sold bread."
    assert "".join(tokenise(model, text)[1][1:]) == text


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.characters(codec=None), min_size=0, max_size=40))
def test_any_text_is_read_or_refused_with_a_sentence(model, text):
    try:
        tokens, texts = tokenise(model, text)
    except HeadlabError as error:
        assert str(error).endswith(".")
    else:
        again = model.tokenizer.decode(tokens[1:], clean_up_tokenization_spaces=False)
        assert again == check_text(text)
        assert len(texts) == len(tokens) >= 3


@pytest.mark.parametrize("start", [0, None])
def test_a_stretch_of_the_text_is_found_among_the_tokens(model, start):
    text = "Maria lives in Oslo. Peter lives in Lima."
    texts = tokenise(model, text, start)[1]
    for word in ("Oslo", "Lima", "Maria", "lives in"):
        begin = text.index(word)
        found = find_in_text(model, text, begin, begin + len(word), start)
        assert list(found) == list(range(found[0], found[-1] + 1))
        assert word in "".join(texts[k] for k in found)
        assert "".join(texts[k] for k in found).strip(" .") == word
    assert find_in_text(model, text, 0, 1, start)[0] == (0 if start is None else 1)


def test_one_token_decodes_as_itself(model):
    assert token_text(model, encode(model, " the")[0]) == " the"
    assert token_text(model, 0) == START


def test_a_typed_special_token_stays_text_beside_threads_that_use_the_tokenizer():
    """The tokenizer of transformers flips a switch that all threads share; ours is not that one."""
    model = tiny_model()
    text = f"one {model.tokenizer.bos_token} two"
    expected = encode(model, text)
    assert model.tokenizer.bos_token_id not in expected
    stop = threading.Event()

    def others():
        while not stop.is_set():
            model.tokenizer(text, add_special_tokens=False, split_special_tokens=False)

    threads = [threading.Thread(target=others) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        found = [encode(model, text) for _ in range(2000)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all(ids == expected for ids in found)


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|endoftext|>{{ m.role }}: {{ m.content }}"
    "{% endfor %}{% if add_generation_prompt %}<|endoftext|>me:{% endif %}"
)


def test_special_tokens_are_read_as_tokens_where_that_is_asked_for(model):
    special = model.with_special_tokens()
    text = f" the{START} the"
    assert encode(special, text) == model.tokenizer(text, add_special_tokens=False).input_ids
    assert encode(special, text)[1] == 0 and 0 not in encode(model, text)
    tokens, texts = tokenise(special, text)
    assert "".join(texts) == START + text and len(tokens) == 4
    assert find_in_text(special, text, 4, 4 + len(START), 0) == (2,)
    assert read_text(special, text).special_tokens and not read_text(model, text).special_tokens
    assert special.content_hash == model.content_hash
    assert special.reading_hash != model.reading_hash == model.content_hash
    assert not model.special_tokens and special.with_random_weights(0).special_tokens


def test_a_slow_tokenizer_reads_special_tokens_too(model, monkeypatch):
    text = f" the{START} the"
    special = model.with_special_tokens()
    expected = encode(special, text)
    monkeypatch.setitem(vars(special), "special_tokenizer", None)  # what has no backend
    assert encode(special, text) == expected


def test_a_chat_turn_is_what_the_template_makes_of_it(model, monkeypatch):
    monkeypatch.setattr(model.tokenizer, "chat_template", TEMPLATE)
    turn, special = chat_turn(model, "the day"), model.with_special_tokens()
    assert turn == f"{START}user: the day{START}me:"
    theirs = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": "the day"}], add_generation_prompt=True
    )
    assert tokenise(special, turn)[0] == list(theirs["input_ids"])
    assert continue_text(special, turn, 2).text == turn


def test_a_chat_turn_that_cannot_be_made_is_a_sentence(model, monkeypatch):
    with pytest.raises(HeadlabError, match="no chat template: read the text as it is"):
        chat_turn(model, "the day")
    monkeypatch.setattr(model.tokenizer, "chat_template", "{{ raise_exception('no') }}")
    with pytest.raises(HeadlabError, match="chat template of tiny fails"):
        chat_turn(model, "the day")
    with pytest.raises(HeadlabError, match="The text is empty"):
        chat_turn(model, " ")
