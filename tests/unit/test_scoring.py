"""Scores of patterns written down by hand, and what the public door refuses."""

import numpy as np
import pytest

from headlab import HeadlabError, score_patterns
from headlab.behaviours import Spans, behaviours
from headlab.measuring.scoring import Batch, Prompt

PATTERN_BEHAVIOURS = [name for name, b in behaviours().items() if not b.needs_model]


def pattern_of(*rows):
    """One head's pattern from the weights of each row, filled up with zeros: [1, 1, n, n]."""
    n = len(rows)
    full = np.zeros((n, n))
    for q, row in enumerate(rows):
        full[q, : len(row)] = row
    return full[None, None]


# Five tokens A B A B A; every row differs, so a wrong row or cell changes the score.
ABABA = pattern_of(
    [1],
    [0.4, 0.6],
    [0.1, 0.2, 0.7],
    [0.3, 0.3, 0.3, 0.1],
    [0.1, 0.2, 0.3, 0.25, 0.15],
)
# Eight tokens, all different; rows 6 and 7 are the ones that the local window counts.
EIGHT = pattern_of(
    [1],
    [0.5, 0.5],
    [0.2, 0.3, 0.5],
    [0.25] * 4,
    [0.2] * 5,
    [0.1, 0.1, 0.1, 0.1, 0.1, 0.5],
    [0.1, 0.05, 0.15, 0.2, 0.1, 0.3, 0.1],
    [0.1, 0.05, 0.1, 0.1, 0.05, 0.2, 0.3, 0.1],
)
LETTERS = list("abcdefgh")


def score(pattern, tokens, behaviour, **more):
    return score_patterns(pattern, tokens, behaviour, **more)[behaviour].item()


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        # rows 2 to 4, the cell one before: .2, .3, .25
        ("previous_token", (0.2 + 0.3 + 0.25) / 3),
        # rows 1 to 4, the cell itself
        ("current_token", (0.6 + 0.7 + 0.1 + 0.15) / 4),
        # rows 2 to 4, cell 0
        ("first_token", (0.1 + 0.3 + 0.1) / 3),
        # row 3 sees B at 1, row 4 sees A at 2; A at 0 is never a target, so row 2 has none
        ("duplicate_token", (0.3 + 0.3) / 2),
        # row 2: after A at 0 is 1; row 3: after B at 1 is 2; row 4: after A at 0 and 2 are 1 and 3
        ("induction", (0.2 + 0.3 + 0.2 + 0.25) / 3),
    ],
)
def test_five_tokens_by_hand(behaviour, expected):
    assert score(ABABA, list("ABABA"), behaviour) == pytest.approx(expected, abs=1e-6)


def test_local_window_by_hand():
    expected = ((0.15 + 0.2 + 0.1) + (0.1 + 0.05 + 0.2)) / 2  # keys 2 to 4, then 3 to 5
    assert score(EIGHT, LETTERS, "local_window") == pytest.approx(expected, abs=1e-6)


def test_diffuse_by_hand():
    rows = [EIGHT[0, 0, q, : q + 1] for q in range(4, 8)]
    shares = [-(row * np.log(row)).sum() / np.log(len(row)) for row in rows]
    assert shares[0] == pytest.approx(1)
    assert score(EIGHT, LETTERS, "diffuse") == pytest.approx(np.mean(shares), abs=1e-6)


def test_diffuse_counts_no_attention_as_nothing():
    """A row with zeros in it has an entropy; 0 log 0 is 0."""
    sharp = pattern_of([1], [1], [1], [1], [0.5, 0.5])
    assert score(sharp, list("abcde"), "diffuse") == pytest.approx(np.log(2) / np.log(5), abs=1e-6)


def test_punctuation_by_hand():
    texts = ['"', ",", " no", ".\n", " Go"]  # a mark at position 0 is never a target
    # row 2 sees the comma, row 3 the comma, row 4 the comma and the full stop
    expected = (0.2 + 0.3 + (0.2 + 0.25)) / 3
    result = score(ABABA, list("abcde"), "punctuation", token_texts=texts)
    assert result == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("mark", ["\n", " \n\n", "...", "»", "。", " (", "!?", "—"])
def test_marks_count_as_punctuation(mark):
    texts = ["Oh", mark, "no", "no"]
    pattern = pattern_of([1], [0.5, 0.5], [0.3, 0.2, 0.5], [0.1, 0.6, 0.2, 0.1])
    result = score(pattern, list("abcd"), "punctuation", token_texts=texts)
    assert result == pytest.approx((0.2 + 0.6) / 2, abs=1e-6)


@pytest.mark.parametrize("word", [" ", "a.", "'s", "2", "+", "$", "", "\t"])
def test_words_blanks_and_signs_do_not(word):
    result = score(ABABA, list("abcde"), "punctuation", token_texts=["Oh", word, "a", "b", "c"])
    assert np.isnan(result)


@pytest.mark.parametrize(
    "spans",
    [
        Spans(attribute=(1, 3), others=(2,)),
        {"attribute": [1, 3], "others": [2]},
        {"attribute": (1, 3)},
        [1, 3],
        np.array([1, 3]),
    ],
)
def test_retrieval_by_hand(spans):
    result = score(ABABA, list("abcde"), "retrieval", spans=spans)
    assert result == pytest.approx(0.2 + 0.25, abs=1e-6)  # the last row only


def test_retrieval_chance_is_the_share_of_the_attention_on_all_attributes():
    prompt = Prompt(tuple("abcde"), spans=Spans(attribute=(1,), others=(2, 3)))
    batch = Batch([prompt], [behaviours()["retrieval"]])
    import torch

    scores, chance, _ = batch.score_layer(0, torch.from_numpy(ABABA[0][None]))
    assert scores["retrieval"].item() == pytest.approx(0.2)
    assert chance["retrieval"].item() == pytest.approx((0.2 + 0.3 + 0.25) / 3)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("previous_token", (1 / 3 + 1 / 4 + 1 / 5) / 3),
        ("current_token", (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4),
        ("first_token", (1 / 3 + 1 / 4 + 1 / 5) / 3),
        ("duplicate_token", (1 / 4 + 1 / 5) / 2),
        ("induction", (1 / 3 + 1 / 4 + 2 / 5) / 3),
        ("diffuse", np.nan),
    ],
)
def test_chance_is_what_an_even_head_scores(behaviour, expected):
    import torch

    batch = Batch([Prompt(tuple("ABABA"))], [behaviours()[behaviour]])
    chance = batch.score_layer(0, torch.from_numpy(ABABA[0][None])).chance
    assert chance[behaviour].item() == pytest.approx(expected, abs=1e-6, nan_ok=True)
    if not np.isnan(expected):
        even = np.tril(np.ones((5, 5))) / np.arange(1, 6)[:, None]
        found = score(even[None, None], list("ABABA"), behaviour)
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("behaviour", "tokens"),
    [
        ("previous_token", "ab"),
        ("current_token", "a"),
        ("first_token", "ab"),
        ("duplicate_token", "abac"),  # the earlier copy is at position 0
        ("duplicate_token", "abcd"),
        ("induction", "abcd"),
        ("induction", "abcc"),  # the token after the earlier copy is the token itself
        ("local_window", "abcdef"),
        ("diffuse", "abcd"),
        ("punctuation", "abcd"),
        ("retrieval", "abcd"),
    ],
)
def test_what_a_text_cannot_test_is_nan_and_not_zero(behaviour, tokens):
    pattern = np.tril(np.ones((len(tokens),) * 2)) / np.arange(1, len(tokens) + 1)[:, None]
    assert np.isnan(score(pattern[None, None], list(tokens), behaviour))


@pytest.mark.parametrize(
    ("behaviour", "tokens"),
    [
        ("previous_token", "abc"),
        ("current_token", "ab"),
        ("first_token", "abc"),
        ("duplicate_token", "abb"),
        ("induction", "aba"),
        ("local_window", "abcdefg"),
        ("diffuse", "abcde"),
    ],
)
def test_the_shortest_text_that_can_test_a_behaviour(behaviour, tokens):
    pattern = np.tril(np.ones((len(tokens),) * 2)) / np.arange(1, len(tokens) + 1)[:, None]
    assert score(pattern[None, None], list(tokens), behaviour) > 0


@pytest.mark.parametrize("behaviour", ["induction", "duplicate_token"])
def test_on_a_learners_text_shared_targets_are_dropped(behaviour):
    """AABAA: k = q-1 belongs to previous-token heads, copies of t[q] to duplicate-token heads."""
    found = behaviours()[behaviour]
    codes = np.array([0, 0, 1, 0, 0])
    probe = {tuple(map(int, cell)) for cell in np.argwhere(found.targets(codes, None, None))}
    text = {tuple(map(int, cell)) for cell in np.argwhere(found.text_targets(codes, None, None))}
    if behaviour == "induction":
        assert probe == {(3, 1), (3, 2), (4, 1), (4, 2)}
        assert text == {(4, 2)}
    else:
        assert probe == {(3, 1), (4, 1), (4, 3)}
        assert text == {(3, 1), (4, 1)}


def random_patterns(shape, n, seed=0):
    rng = np.random.default_rng(seed)
    raw = np.tril(rng.random((*shape, n, n)) ** 3) + np.eye(n) * 1e-3
    return raw / raw.sum(-1, keepdims=True)


def test_a_batch_scores_as_its_prompts_do_one_by_one():
    patterns = random_patterns((3, 2, 4), 9)
    tokens = np.array([[1, 2, 3, 1, 2, 3, 1, 2, 3], list(range(9)), [5] * 9])
    texts = [["a", ",", "b"] * 3, list("abcdefghi"), ["."] * 9]
    spans = [Spans((1, 2), (4,)), None, Spans((3,))]
    together = score_patterns(patterns, tokens, token_texts=texts, spans=spans)
    assert list(together) == PATTERN_BEHAVIOURS
    for index in range(3):
        alone = score_patterns(
            patterns[index], tokens[index], token_texts=texts[index], spans=spans[index]
        )
        for name in PATTERN_BEHAVIOURS:
            assert together[name].shape == (3, 2, 4) and alone[name].shape == (2, 4)
            np.testing.assert_allclose(together[name][index], alone[name], atol=1e-6)
    # one prompt of the batch that cannot test a behaviour leaves the others alone
    assert np.isnan(together["induction"][1]).all() and np.isfinite(together["induction"][0]).all()
    assert np.isnan(together["retrieval"][1]).all() and np.isfinite(together["retrieval"][2]).all()


def test_strings_are_compared_as_ids_are():
    patterns = random_patterns((2, 3), 7)
    by_id = score_patterns(patterns, [7, 3, 7, 9, 3, 7, 9])
    for tokens in (list(" a| b| a| c| b| a| c".split("|")), np.array(list("abacbac"))):
        by_text = score_patterns(patterns, tokens)
        for name in PATTERN_BEHAVIOURS:
            np.testing.assert_array_equal(by_id[name], by_text[name])
    assert np.isfinite(by_id["induction"]).all()


def test_case_and_blanks_make_other_tokens():
    patterns = random_patterns((1, 1), 5)
    scores = score_patterns(patterns, ["The", " the", "the", " The", " the "])
    assert np.isnan(scores["duplicate_token"]).all() and np.isnan(scores["induction"]).all()


def test_token_strings_are_not_taken_for_texts():
    scores = score_patterns(random_patterns((1, 1), 5), ["a", ",", "b", ".", "c"])
    assert np.isnan(scores["punctuation"]).all() and np.isnan(scores["retrieval"]).all()


def test_heads_and_layers_stay_where_they_are():
    patterns = random_patterns((3, 2), 6)
    patterns[1, 0] = np.eye(6)
    current = score_patterns(patterns, list("abcdef"), "current_token")["current_token"]
    assert current.shape == (3, 2)
    assert current[1, 0] == pytest.approx(1) and (np.delete(current.ravel(), 2) < 0.9).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_the_input_is_only_read(dtype):
    patterns = random_patterns((2, 2), 8).astype(dtype)
    tokens = np.array([1, 2, 1, 2, 1, 2, 1, 2])
    patterns.setflags(write=False)
    tokens.setflags(write=False)
    before = patterns.copy(), tokens.copy()
    score_patterns(patterns, tokens, token_texts=[".", "a"] * 4, spans=[1])
    np.testing.assert_array_equal(patterns, before[0])
    np.testing.assert_array_equal(tokens, before[1])
    writeable = before[0].copy()
    result = score_patterns(writeable, tokens)
    np.testing.assert_array_equal(writeable, before[0])
    assert not any(np.shares_memory(score, writeable) for score in result.values())


def test_coarser_numbers_give_nearly_the_same_scores():
    patterns = random_patterns((2, 3), 12)
    tokens, texts = list("abcabcabcabc"), ["a", ".", "c"] * 4
    exact = score_patterns(patterns, tokens, token_texts=texts, spans=[2])
    eighth = np.round(patterns * 255) / 255  # as a picture or a web page keeps them
    assert 0.001 < np.abs(eighth.sum(-1) - 1).max() < 0.02
    for coarse, tolerance in (
        (patterns.astype(np.float32), 1e-6),
        (patterns.astype(np.float16), 1e-3),
        (eighth, 0.02),
        (patterns * 1.019, 0.02),
        (patterns * 0.981, 0.03),
    ):
        scores = score_patterns(coarse, tokens, token_texts=texts, spans=[2])
        for name in PATTERN_BEHAVIOURS:
            np.testing.assert_allclose(scores[name], exact[name], atol=tolerance, err_msg=name)


def test_nested_lists_and_whole_numbers_are_patterns_too():
    lists = [[[[1, 0, 0], [1, 0, 0], [0, 1, 0]]]]
    assert score_patterns(lists, [4, 5, 6], "previous_token")["previous_token"].item() == 1


def test_behaviours_are_chosen_by_name_and_returned_in_order():
    patterns = random_patterns((1, 1), 4)
    assert list(score_patterns(patterns, [1, 2, 3, 4])) == PATTERN_BEHAVIOURS
    assert "copying" not in PATTERN_BEHAVIOURS
    assert list(score_patterns(patterns, [1, 2, 3, 4], "diffuse")) == ["diffuse"]
    asked = ["first_token", "current_token"]
    assert set(score_patterns(patterns, [1, 2, 3, 4], asked)) == set(asked)
    assert set(score_patterns(patterns, [1, 2, 3, 4], iter(asked))) == set(asked)


GOOD = random_patterns((1, 2), 4)
FOUR = [1, 2, 3, 4]


def with_cell(value, q=2, k=0):
    patterns = GOOD.copy()
    patterns[0, 1, q, k] = value
    return patterns


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((GOOD[0], FOUR), "shape (2, 4, 4)"),
        ((GOOD[..., :3], FOUR), "as many keys as queries"),
        ((np.zeros((1, 0, 4, 4)), FOUR), "shape (1, 0, 4, 4)"),
        ((np.zeros((0, 1, 1, 4, 4)), []), "shape (0, 1, 1, 4, 4)"),
        ((3.0, FOUR), "shape ()"),
        (([[[[1], [0, 1]]]], [1, 2]), "no regular array"),
        ((GOOD, [1, 2, 3]), "tokens do not fit"),
        ((GOOD, [[1, 2, 3, 4], [1, 2, 3, 4]]), "tokens do not fit"),
        ((GOOD[None], FOUR), "tokens do not fit"),
        ((np.stack([GOOD, GOOD]), [FOUR]), "tokens do not fit"),
        ((GOOD * 0.97, FOUR), "no probabilities"),
        ((GOOD * 1.03, FOUR), "no probabilities"),
        ((np.log(GOOD + 1e-9), FOUR), "no probabilities"),
        ((with_cell(np.nan), FOUR), "not finite"),
        ((with_cell(np.inf), FOUR), "not finite"),
        ((with_cell(-0.5), FOUR), "no probabilities"),
        ((np.full((1, 1, 4, 4), 0.25), FOUR), "look ahead"),
        ((GOOD[:, :, ::-1, ::-1], FOUR), "look ahead"),
        ((np.full((1, 1, 2, 2), "x"), [1, 2]), "not numbers"),
        ((GOOD.astype(complex), FOUR), "not numbers"),
        ((GOOD, FOUR, "inducton"), "Did you mean 'induction'?"),
        ((GOOD, FOUR, ["diffuse", "name_mover"]), "Unknown behaviour 'name_mover'"),
        ((GOOD, FOUR, "copying"), "patterns alone cannot"),
        ((GOOD, FOUR, None, ["a", "b"]), "token texts do not fit"),
        ((GOOD, FOUR, None, None, [4]), "span lies outside"),
        ((GOOD, FOUR, None, None, Spans((1,), (-1,))), "span lies outside"),
        ((GOOD[None], [FOUR], None, None, [[1], [2]]), "spans are needed"),
        ((np.stack([GOOD, GOOD]), [FOUR, FOUR], None, [list("abcd")]), "token texts do not fit"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(arguments, words):
    with pytest.raises(HeadlabError) as error:
        score_patterns(*arguments)
    sentence = str(error.value)
    assert words in sentence
    assert "\n" not in sentence and sentence.endswith(".")


def test_rows_may_miss_a_sum_of_one_by_two_hundredths():
    """Exactly .02 is accepted, a little more is not."""
    score_patterns(GOOD * 1.02, FOUR)
    score_patterns(GOOD * 0.98, FOUR)
    with pytest.raises(HeadlabError):
        score_patterns(GOOD * 1.021, FOUR)
