"""Any tokenizer: spaces, bytes and word starts, as SentencePiece, BPE and others keep them."""

import io
from dataclasses import replace

import numpy as np
import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, PreTrainedTokenizerFast

from headlab import HeadlabError, ablate, load_model, profile_model, read_text
from headlab.measuring.probe_sentences import SENTENCES_A, SENTENCES_B
from headlab.measuring.probes import GIVEN_NAMES
from headlab.models.tokens import encode, single_token, token_texts, tokenise
from tests.models import GROUPED, gpt2_config, random_network, tiny_model

RUSSIAN = ["Кошка сидела на коврике и смотрела в окно.", "Собака бежала по дороге к дому."] * 30
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def sentence_piece():
    """Spaces as a letter in front of words, bytes by name: what most Llama folders hold."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    names = [f" {name}" for name in GIVEN_NAMES] * 10
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=["<unk>", "<s>", "</s>", *BYTES], show_progress=False
    )
    tokenizer.train_from_iterator([*SENTENCES_A, *SENTENCES_B, *names], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def byte_level(sentences):
    """Byte-level BPE of any script."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


def characters():
    """One character a token."""
    letters = sorted(set("".join([*SENTENCES_A, *SENTENCES_B])))
    vocabulary = {letter: at for at, letter in enumerate(["<s>", "<unk>", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def word_piece():
    """Words and their continuations, as BERT has them."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    trainer = trainers.WordPieceTrainer(
        vocab_size=900, special_tokens=["[UNK]", "[CLS]"], show_progress=False
    )
    tokenizer.train_from_iterator([*SENTENCES_A, *SENTENCES_B], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="[CLS]", unk_token="[UNK]")


def model_of(tokenizer):
    size = len(tokenizer)
    return replace(
        tiny_model(),
        network=random_network(gpt2_config(vocab_size=size)),
        tokenizer=tokenizer,
        start_token=tokenizer.bos_token_id,
    )


@pytest.fixture(scope="module")
def llama():
    return model_of(sentence_piece())


def test_spaces_and_bytes_of_sentencepiece_are_shown(llama):
    text = "The cat sat on the mat 🙂"
    _, texts = tokenise(llama, text)
    assert texts[0] == "<s>" and texts[1].startswith("T") and " the" in texts
    assert texts[-4:] == ["⟨F0⟩", "⟨9F⟩", "⟨99⟩", "⟨82⟩"]
    assert "".join(texts[1:-4]) == text[:-1]
    newline = llama.tokenizer.convert_tokens_to_ids("<0x0A>")
    assert token_texts(llama, [newline]) == ["\n"]


def test_a_word_inside_a_text_is_one_token(llama):
    with_space = single_token(llama, " Mary")
    assert token_texts(llama, [with_space]) == [" Mary"]
    assert encode(llama, "and Mary")[-1] == with_space


def test_a_sentencepiece_model_is_profiled_like_any_other(llama):
    ordinary = llama.ordinary_tokens
    texts = token_texts(llama, ordinary)
    assert len(ordinary) >= 100 and all(text[0] == " " and text[1:].isalpha() for text in texts)
    profile = profile_model(llama, variants=False, controls=0, cache=False)
    assert not np.isnan(profile.score["induction"]).any()
    found = ablate(llama, "The cat sat on the mat.", "L1.H1", watch=" Mary")
    assert found.watched_texts[0] == " Mary"


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (lambda: byte_level(RUSSIAN), RUSSIAN[0]),
        (characters, "the cat sat on the mat"),
        (word_piece, "The cat sat on the mat. The cat sat"),
    ],
    ids=["Russian", "characters", "WordPiece"],
)
def test_models_of_other_scripts_and_units_are_read_and_profiled(tokenizer, text):
    model = model_of(tokenizer())
    reading = read_text(model, text)
    shown = "".join(reading.token_texts[1:])
    assert shown.replace(" ", "") == text.replace(" ", "")
    profile = profile_model(model, variants=False, controls=0, cache=False)
    assert not np.isnan(profile.score["induction"]).any()


def test_byte_level_tokens_are_shown_as_ever():
    model = tiny_model()
    tokens = range(len(model.tokenizer))
    alone = [model.tokenizer.decode([token]) for token in tokens]
    shown = token_texts(model, tokens)
    assert all(text == old for text, old in zip(shown, alone, strict=True) if "\ufffd" not in old)


def with_sentencepiece_file(folder, **spec):
    """A Llama whose tokenizer is a SentencePiece file and nothing else."""
    made = io.BytesIO()
    rules = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    SentencePieceTrainer.train(
        sentence_iterator=iter([*SENTENCES_A, *SENTENCES_B]),
        model_writer=made,
        model_type="bpe",
        vocab_size=600,
        byte_fallback=True,
        minloglevel=2,
        **(rules | spec),
    )
    (folder / "tokenizer.model").write_bytes(made.getvalue())
    config = LlamaConfig(**(GROUPED | {"vocab_size": 600, "bos_token_id": 1}))
    random_network(config).save_pretrained(folder)
    return SentencePieceProcessor(model_proto=made.getvalue())


@pytest.mark.parametrize("space", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_a_sentencepiece_file_alone_splits_as_sentencepiece_does(tmp_path, space, named):
    theirs = with_sentencepiece_file(tmp_path, add_dummy_prefix=space)
    if named:
        about = '{"tokenizer_class": "LlamaTokenizer", "add_prefix_space": %s}'
        (tmp_path / "tokenizer_config.json").write_text(about % str(space).lower())
    model = load_model(tmp_path)
    assert model.notice == ""
    for text in ("The cat sat on the mat.", "two  spaces\nand a line", "naïve 🙂 Да"):
        assert encode(model, text) == theirs.encode(text)
        tokens, texts = tokenise(model, text)
        assert tokens[0] == 1 and texts[0] == "<s>"
        assert "⟨" in "".join(texts) or "".join(texts[1:]) == text


def test_a_sentencepiece_file_that_is_read_otherwise_is_said(tmp_path):
    with_sentencepiece_file(tmp_path, normalization_rule_name="nmt_nfkc_cf")  # small letters
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    assert "splits some texts otherwise than its file" in load_model(tmp_path).notice


def test_a_sentencepiece_file_without_the_package_is_a_sentence(tmp_path, monkeypatch):
    with_sentencepiece_file(tmp_path)
    monkeypatch.setattr("headlab.models.tokenizer_files.find_spec", lambda name: None)
    monkeypatch.setattr(
        "headlab.models.tokenizer_files.AutoTokenizer.from_pretrained", _without_the_package
    )
    with pytest.raises(HeadlabError, match=r"pip install 'headlab\[sentencepiece\]'"):
        load_model(tmp_path)


def _without_the_package(*given, **options):
    raise ImportError("sentencepiece")
