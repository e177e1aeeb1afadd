"""A text read by a tiny model, and what is said about it."""

from dataclasses import replace

import numpy as np
import pytest

from headlab import HeadlabError, load_model, read_text, read_texts, score_patterns
from headlab.behaviours import behaviours, get_behaviour
from headlab.measuring.reading import (
    ACTIVE,
    CANNOT,
    QUIET,
    SHAPES,
    TOO_LITTLE,
    Hint,
    strongest_pairs,
)
from headlab.measuring.spans import find_spans, marked_spans
from headlab.models import kernels
from tests.models import START, configurations, tiny_model

CAT = "The cat sat on the mat. The cat sat on the"
FACTS = "Maria lives in Oslo. Peter lives in Lima. The home of Maria is"
PAIRS = [("Maria", "Oslo"), ("Peter", "Lima")]
ON_TEXT = {name: b for name, b in behaviours().items() if not b.needs_model}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def reading(model):
    return read_text(model, CAT)


def hints(reading):
    """The hints of all heads, layer by layer."""
    return [reading.hint(*place) for place in np.ndindex(reading.entropy.shape)]


def test_a_reading_holds_the_text_as_the_model_saw_it(model, reading):
    assert reading.text == CAT and reading.model_name == "tiny"
    assert reading.tokens[0] == model.start_token and reading.token_texts[0] == START
    assert "".join(reading.token_texts[1:]) == CAT
    n = len(reading.tokens)
    assert reading.patterns.shape == (3, 4, n, n) and reading.patterns.dtype == np.float32
    assert reading.layers == (0, 1, 2) and (reading.n_layers, reading.n_heads) == (3, 4)
    np.testing.assert_allclose(reading.patterns.sum(-1), 1, atol=1e-5)
    assert not np.triu(reading.patterns, 1).any()


def test_patterns_cannot_be_changed_by_accident(reading):
    with pytest.raises(ValueError, match="read-only"):
        reading.patterns[0, 0, 0, 0] = 0


def test_scores_are_those_of_the_public_door_where_targets_do_not_overlap(reading):
    """On a text only induction and duplicate token drop cells; the others are the same."""
    public = score_patterns(reading.patterns, reading.tokens, token_texts=reading.token_texts)
    assert set(reading.scores) == set(public) == set(ON_TEXT)
    for name, score in public.items():
        assert reading.scores[name].shape == (3, 4)
        if ON_TEXT[name].text_targets is None:
            np.testing.assert_allclose(reading.scores[name], score, atol=1e-6, err_msg=name)


def test_the_stricter_targets_of_a_text(model):
    """Written out for "the the the was the the", where the plain targets overlap."""
    reading = read_text(model, " the the the was the the", start_token=None)
    n, same = 6, reading.tokens
    assert len(same) == n and len(set(same)) == 2
    A = reading.patterns
    rows = {"induction": [], "duplicate_token": []}
    for q in range(n):
        induction = [j + 1 for j in range(q - 1) if same[j] == same[q]]
        induction = [k for k in induction if k != q - 1 and same[k] != same[q]]
        duplicate = [k for k in range(1, q - 1) if same[k] == same[q]]
        for name, keys in (("induction", induction), ("duplicate_token", duplicate)):
            if keys:
                rows[name].append(A[:, :, q, keys].sum(-1))
    for name, sums in rows.items():
        assert reading.rows[name] == len(sums)
        np.testing.assert_allclose(reading.scores[name], np.mean(sums, axis=0), atol=1e-6)
    assert reading.rows["induction"] == 1 and reading.rows["duplicate_token"] == 2


def test_the_layers_asked_for_are_kept_and_every_layer_is_scored(model, reading):
    part = read_text(model, CAT, layers=[2, 0, 2])
    assert part.layers == (2, 0) and part.patterns.shape[0] == 2
    np.testing.assert_array_equal(part.patterns[0], reading.patterns[2])
    np.testing.assert_array_equal(part.pattern(0, 3), reading.patterns[0, 3])
    for name in ON_TEXT:
        np.testing.assert_array_equal(part.scores[name], reading.scores[name])
        np.testing.assert_array_equal(part.chance[name], reading.chance[name])
        np.testing.assert_array_equal(part.status[name], reading.status[name])
    assert [str(hint) for hint in hints(part)] == [str(hint) for hint in hints(reading)]
    with pytest.raises(HeadlabError, match="layer 1 were not kept"):
        part.pattern(1, 0)
    none = read_text(model, CAT, layers=[])
    assert none.patterns.shape[0] == 0
    np.testing.assert_array_equal(none.scores["first_token"], reading.scores["first_token"])


@pytest.mark.parametrize("layer", [-1, 3, 99])
def test_a_layer_that_does_not_exist(model, layer):
    with pytest.raises(HeadlabError, match=rf"no layer {layer}: its layers run from 0 to 2"):
        read_text(model, CAT, layers=[layer])


def test_the_start_token_is_toggled(model, reading):
    without = read_text(model, CAT, start_token=None)
    assert without.start_token is None and without.start_text is None
    assert without.tokens == reading.tokens[1:]
    assert reading.start_token == 0 and reading.start_text == START
    assert without.patterns.shape[-1] == reading.patterns.shape[-1] - 1
    other = read_text(model, CAT, start_token=7)
    assert other.tokens == [7, *reading.tokens[1:]]
    assert not np.allclose(other.patterns, reading.patterns, atol=1e-3)


def test_bad_text_is_refused(model):
    for text in ("", " ", " the", "a\0b", "half \ud800", "word " * 500):
        with pytest.raises(HeadlabError):
            read_text(model, text)


def test_markup_is_text(model):
    text = '<img src=x onerror="alert(1)"> and <b>bold</b>'
    assert "".join(read_text(model, text).token_texts[1:]) == text


# --- hints ------------------------------------------------------------------------------------


def test_shares_of_a_hint_sum_to_1(model):
    for text in (CAT, " the the", "the the the the", "Oh, no!"):
        for start in (0, None):
            reading = read_text(model, text, start_token=start)
            if len(reading.tokens) < 3:
                continue
            for hint in hints(reading):
                assert set(hint.shares) == set(SHAPES)
                assert sum(hint.shares.values()) == pytest.approx(1, abs=1e-5)
                assert min(hint.shares.values()) >= 0 and 0 <= hint.entropy <= 1 + 1e-6


def test_shares_by_hand(reading):
    n = len(reading.tokens)
    for layer, head in ((0, 0), (2, 3)):
        A, shares = reading.pattern(layer, head), dict.fromkeys(SHAPES, 0.0)
        for q in range(2, n):
            for k in range(q + 1):
                far = "far" if q - k > 4 else "local"
                shape = {0: "current", 1: "previous"}.get(q - k, far)
                shares["first" if k == 0 else shape] += A[q, k] / (n - 2)
        assert reading.hint(layer, head).shares == pytest.approx(shares, abs=1e-5)
        rows = [A[q, : q + 1] for q in range(2, n)]
        entropies = [-(row * np.log(row + 1e-30)).sum() / np.log(len(row)) for row in rows]
        assert reading.hint(layer, head).entropy == pytest.approx(np.mean(entropies), abs=1e-4)


def shares(**given):
    return dict.fromkeys(SHAPES, 0.0) | given


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Hint(shares(first=0.712, far=0.288), 0.5), "first token 71 %"),
        (Hint(shares(previous=0.5, far=0.5), 0.5), "previous token 50 %"),
        (Hint(shares(local=0.96, far=0.04), 0.3), "local 96 %"),
        (Hint(shares(first=0.4, far=0.35, local=0.25), 0.7), "mixed"),
        (Hint(shares(first=0.9, far=0.1), 0.8), "diffuse"),
        (Hint(shares(first=0.9, far=0.1), 0.7999), "first token 90 %"),
        (Hint(shares(), float("nan")), "too short to tell"),
    ],
)
def test_a_hint_in_words(hint, text):
    assert str(hint) == text


def test_two_tokens_are_too_short_for_a_hint(model):
    reading = read_text(model, " the the", start_token=None)
    assert {str(hint) for hint in hints(reading)} == {"too short to tell"}


# --- status -----------------------------------------------------------------------------------


def test_status_follows_the_number_of_rows_and_half_the_threshold(model):
    reading = read_text(model, CAT)
    zero = np.zeros((3, 4))

    def status(name, rows, score):
        changed = replace(reading, scores={name: score}, chance={name: zero}, rows={name: rows})
        assert changed.is_thin(name) == (rows in (1, 2))
        return changed.status[name]

    for name in ("induction", "previous_token"):  # the one needs 1 row, the other the usual 3
        half = get_behaviour(name).threshold / 2
        value = np.full((3, 4), half + 0.01)
        value[0, 0] = half - 0.01
        assert set(status(name, 0, zero * np.nan).ravel()) == {CANNOT}
        few = {QUIET, ACTIVE} if name == "induction" else {TOO_LITTLE}
        assert set(status(name, 1, value).ravel()) == set(status(name, 2, value).ravel()) == few
        for rows in (3, 40):
            assert status(name, rows, value)[0, 0] == QUIET
            assert (status(name, rows, value).ravel()[1:] == ACTIVE).all()


def test_resting_behaviours_are_active_from_their_whole_threshold_on(model):
    reading = read_text(model, CAT)
    for about in behaviours().values():
        assert about.active_from == about.threshold / (1 if about.resting else 2)
    full, at = np.ones((3, 4)), get_behaviour("diffuse").threshold
    for value, expected in ((at - 0.01, QUIET), (at, ACTIVE)):
        told = replace(reading, scores={"diffuse": value * full}, chance={"diffuse": full * np.nan})
        assert (told.status["diffuse"] == expected).all()


def test_a_sentence_said_in_part_again_gets_a_verdict(model):
    """Two places are few, and enough for what looks there hardly by chance."""
    reading = read_text(model, "The cat sat on the mat. The cat slept.")
    for name in ("induction", "duplicate_token"):
        assert reading.is_thin(name)
        assert set(reading.status[name].ravel()) <= {ACTIVE, QUIET}


def test_half_the_threshold_is_measured_on_its_scale(model):
    """Induction counts above chance: a score of .4 where chance is .3 is quiet."""
    reading = read_text(model, CAT)
    full = np.full((3, 4), 1.0)
    changed = replace(
        reading,
        scores={"induction": 0.4 * full, "first_token": 0.5 * full},
        chance={"induction": 0.3 * full, "first_token": 0.3 * full},
        rows={"induction": 5, "first_token": 5},
    )
    assert (changed.status["induction"] == QUIET).all()
    assert (changed.status["first_token"] == ACTIVE).all()  # held against the raw score
    assert changed.active(1, 2) == ["first_token"]
    np.testing.assert_allclose(changed.value("induction"), 0.1 / 0.7)


def test_what_a_text_cannot_trigger(model):
    reading = read_text(model, "Every word is new here")
    for name in ("induction", "duplicate_token", "retrieval", "punctuation"):
        assert reading.rows[name] == 0
        assert (reading.status[name] == CANNOT).all() and np.isnan(reading.scores[name]).all()
        assert not any(name in reading.active(layer, 0) for layer in range(3))
    assert reading.rows["current_token"] == len(reading.tokens) - 1


# --- entities ---------------------------------------------------------------------------------


def words_at(reading, keys):
    return "".join(reading.token_texts[k] for k in keys).strip(" .")


def test_the_entity_mentioned_last_is_the_one_asked_for(model):
    for start in ("model", None):
        reading = read_text(model, FACTS, entities=PAIRS, start_token=start)
        assert words_at(reading, reading.spans.attribute) == "Oslo"
        assert words_at(reading, reading.spans.others) == "Lima"
        right = reading.patterns[:, :, -1, list(reading.spans.attribute)].sum(-1)
        np.testing.assert_allclose(reading.scores["retrieval"], right, atol=1e-6)
        everything = [*reading.spans.attribute, *reading.spans.others]
        total = reading.patterns[:, :, -1, everything].sum(-1)
        share = len(reading.spans.attribute) / len(everything)
        np.testing.assert_allclose(reading.chance["retrieval"], total * share, atol=1e-6)
        assert reading.rows["retrieval"] == 1
        assert set(reading.status["retrieval"].ravel()) <= {ACTIVE, QUIET}  # one place is enough


def test_an_attribute_is_looked_for_after_its_entity(model):
    text = "Lima is far. Peter lives in Lima. Maria lives in Oslo. Where is Peter"
    spans = find_spans(model, text, PAIRS, None)
    begin = len(model.tokenizer(text[: text.index("Peter")]).input_ids)
    assert min(spans.attribute) > begin


def test_an_attribute_may_stand_before_its_entity(model):
    text = "Oslo is the home of Maria. Lima is the home of Peter. The home of Maria is"
    spans = find_spans(model, text, PAIRS, None)
    assert min(spans.attribute) == 0


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("Anna", "Oslo"), "The entity 'Anna' does not stand in the text"),
        (("Mari", "Oslo"), "The entity 'Mari' does not stand in the text"),
        (("Maria", "Rome"), "The attribute 'Rome' does not stand in the text"),
        (("", "Oslo"), "The entity '' does not stand"),
        (("Maria", ""), "The attribute '' does not stand"),
    ],
)
def test_entities_that_are_not_in_the_text(model, pair, words):
    with pytest.raises(HeadlabError) as error:
        read_text(model, FACTS, entities=[pair])
    assert words in str(error.value)


def test_no_entities_leave_retrieval_untested(model):
    for entities in (None, []):
        reading = read_text(model, FACTS, entities=entities)
        assert reading.spans is None and np.isnan(reading.scores["retrieval"]).all()


def test_another_architecture_is_read_the_same_way():
    reading = read_text(tiny_model(configurations()["mistral, window"]), CAT)
    n = len(reading.tokens)
    assert reading.patterns[..., n - 1, : n - 5].max() == 0
    assert np.isfinite(reading.scores["first_token"]).all()


def test_targets_are_the_cells_behind_the_score(reading):
    for name in ("induction", "duplicate_token", "previous_token"):
        cells = reading.targets(name)
        rows = cells.any(axis=1)
        assert rows.sum() == reading.rows[name]
        on_them = (reading.patterns * cells).sum(-1)[..., rows].mean(-1)
        np.testing.assert_allclose(reading.scores[name], on_them, atol=1e-6)
    assert reading.targets("diffuse") is None
    assert reading.targets("retrieval") is None  # nothing is marked


def test_the_strongest_pairs_by_hand():
    pattern = np.array([[1, 0, 0], [0.3, 0.7, 0], [0.6, 0.1, 0.3]])
    pairs = strongest_pairs(pattern, ["a", " b", " c"], top=3)
    assert list(zip(pairs["query"], pairs["key"], strict=True)) == [(1, 1), (2, 0), (1, 0)]
    assert list(pairs["attention"]) == [0.7, 0.6, 0.3]
    assert list(pairs["query token"]) == [" b", " c", " b"]
    pattern[:, 0] = np.nan
    assert list(strongest_pairs(pattern, ["a", " b", " c"])["key"]) == [1, 2, 1]


def test_marked_tokens_give_the_spans_that_the_words_give(model):
    by_words = read_text(model, FACTS, entities=PAIRS)
    texts = by_words.token_texts
    places = {word: _tokens_of(texts, word) for pair in PAIRS for word in pair}
    spans = marked_spans(texts, [(places[entity], places[fact]) for entity, fact in PAIRS])
    assert spans == by_words.spans
    again = read_text(model, FACTS, spans=spans)
    np.testing.assert_array_equal(again.scores["retrieval"], by_words.scores["retrieval"])
    assert again.rows["retrieval"] == 1


def _tokens_of(token_texts, word):
    """Positions of the tokens that spell the first mention of a word."""
    ends = np.cumsum([len(text) for text in token_texts[1:]])  # after the start token
    begin = "".join(token_texts[1:]).index(word)
    return [i + 1 for i, end in enumerate(ends) if begin < end <= begin + len(word)]


def test_the_entity_mentioned_last_is_asked_for_whatever_order_is_marked():
    texts = ["Maria", " Oslo", ".", " Tom", " Lima", ".", " Maria", " ?"]
    pairs = [([0], [1]), ([3], [4])]
    assert marked_spans(texts, pairs) == marked_spans(texts, pairs[::-1])
    assert marked_spans(texts, pairs).attribute == (1,)
    assert marked_spans(texts[:6], pairs).attribute == (4,)


def test_a_long_text_is_scored_some_heads_at_a_time_and_the_same(monkeypatch):
    """As if a row of a pattern, and a head's pattern, were too large beside another's."""
    model = tiny_model()
    text = "The cat sat on the mat. The cat sat on the"
    at_once = read_text(model, text, layers=[1])
    monkeypatch.setattr(kernels, "BLOCK", 1)
    in_pieces = read_text(model, text, layers=[1])
    np.testing.assert_allclose(in_pieces.patterns, at_once.patterns, atol=1e-6)
    for name, score in at_once.scores.items():
        np.testing.assert_allclose(in_pieces.scores[name], score, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(in_pieces.chance[name], at_once.chance[name], atol=1e-6)
    assert [str(hint) for hint in hints(in_pieces)] == [str(hint) for hint in hints(at_once)]


TEXTS = ("The cat sat on the mat. The cat sat on the", "It rained.", "Anna saw a dog and a cat")


def test_texts_read_together_are_as_read_alone():
    """Whatever stands beside them in a pass: padded, other lengths, in the order given."""
    model = load_model("mini")
    for batch_size in (2, 32):
        for found, text in zip(read_texts(model, TEXTS, batch_size=batch_size), TEXTS, strict=True):
            alone = read_text(model, text)
            assert (found.text, found.tokens, found.rows) == (text, alone.tokens, alone.rows)
            np.testing.assert_allclose(found.patterns, alone.patterns, atol=1e-5)
            np.testing.assert_allclose(found.entropy, alone.entropy, atol=1e-5)
            for name, score in alone.scores.items():
                np.testing.assert_allclose(found.scores[name], score, atol=1e-5)
                np.testing.assert_allclose(found.chance[name], alone.chance[name], atol=1e-6)
            for name, share in alone.shares.items():
                np.testing.assert_allclose(found.shares[name], share, atol=1e-5)


def test_many_texts_keep_no_patterns_if_none_are_asked_for_and_a_bad_one_is_named():
    model = load_model("mini")
    shares = []
    found = read_texts(model, TEXTS, (), progress=lambda share, words: shares.append(share))
    assert all(reading.patterns.size == 0 for reading in found) and shares[-1] == 1
    assert read_texts(model, []) == []
    with pytest.raises(HeadlabError, match=r"Text 2 of 3: "):
        read_texts(model, ["one thing", " ", "another thing"])
