"""Detectors: rules against plain loops, scores against behaviours, files that load again."""

import numpy as np
import pytest

from headlab import Detector, HeadlabError, detect, load_model, read_text, score_patterns
from headlab.behaviours import get_behaviour, own
from headlab.behaviours.detector import fitting_parts
from headlab.measuring.detecting import shuffled_score
from headlab.measuring.scoring import token_codes

CAT = "The cat sat on the mat. The cat sat on the"


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


@pytest.fixture(scope="module")
def reading(model):
    return read_text(model, CAT)


def by_loop(reading, asks):
    n, t = len(reading.tokens), [text.strip().lower() for text in reading.token_texts]
    return np.array([[k <= q and asks(q, k, t) for k in range(n)] for q in range(n)])


RULES = [
    ({"back": (0, 3)}, lambda q, k, t: k in (q, q - 3)),
    ({"first": True}, lambda q, k, t: k == 0 < q),
    ({"words": ("Cat", " mat")}, lambda q, k, t: 1 <= k < q and t[k] in ("cat", "mat")),
    ({"punctuation": True}, lambda q, k, t: 1 <= k < q and t[k] == "."),
    ({"back": (1,), "from_words": ("sat",)}, lambda q, k, t: k == q - 1 and t[q] == "sat"),
]


@pytest.mark.parametrize(("parts", "asks"), RULES)
def test_a_rule_asks_for_what_its_parts_say(reading, parts, asks):
    cells = Detector("mine", **parts).targets(token_codes(reading.tokens), reading.token_texts)
    np.testing.assert_array_equal(cells, by_loop(reading, asks))


def test_copies_are_of_the_same_token(reading):
    t = reading.tokens
    n = len(t)
    same = [[1 <= k < q and t[k] == t[q] for k in range(n)] for q in range(n)]
    after = [[1 <= k < q and t[k - 1] == t[q] for k in range(n)] for q in range(n)]
    np.testing.assert_array_equal(Detector("a", same=True).targets(t), same)
    np.testing.assert_array_equal(Detector("a", after_same=True).targets(t), after)


@pytest.mark.parametrize(
    ("rule", "behaviour"),
    [(Detector("a", back=(1,)), "previous_token"), (Detector("a", same=True), "duplicate_token")],
)
def test_heads_are_scored_as_behaviours_are(reading, rule, behaviour):
    found = detect(reading, rule)
    cells = get_behaviour(behaviour).targets(token_codes(reading.tokens), reading.token_texts, None)
    if behaviour == "previous_token":  # which leaves the first token out
        found = detect(reading, cells)
    expected, chance = score_patterns(
        reading.patterns, reading.tokens, behaviour, reading.token_texts, with_chance=True
    )
    np.testing.assert_allclose(found.score, expected[behaviour], atol=1e-6)
    np.testing.assert_allclose(found.chance, chance[behaviour][0, 0], atol=1e-6)
    best = found.to_frame()
    assert best["score"].is_monotonic_decreasing and len(best) == 144
    assert found.excess.max() == pytest.approx(
        (found.score.max() - found.chance) / (1 - found.chance)
    )


def test_what_goes_by_position_keeps_its_score_when_words_are_shuffled(model, reading):
    back = detect(reading, Detector("a", back=(1,)))
    shuffled = shuffled_score(model, reading, back.cells)
    assert shuffled[0, 0] > back.score[0, 0] - 0.05  # the previous-token head
    induction = detect(reading, Detector("a", after_same=True))
    best = np.unravel_index(induction.score.argmax(), induction.score.shape)
    assert shuffled_score(model, reading, induction.cells)[best] < induction.score[best] / 2


def test_a_detector_is_a_behaviour_and_its_file_loads_again(tmp_path):
    for rule in (
        Detector("three_back", back=(3,)),
        Detector("quotes", words=('"', "it's"), from_words=("he",), punctuation=True),
    ):
        path = tmp_path / f"{rule.name}.py"
        path.write_text(rule.source(), encoding="utf-8")
        behaviour = own.load_file(path).BEHAVIOUR
        assert behaviour.targets.__self__ == rule and behaviour.summary == rule.sentence
    assert own.problems_of(Detector("three_back", back=(3,)).behaviour()) == []


def test_rules_are_suggested_for_what_was_painted(reading):
    rule, covers, only = fitting_parts(
        Detector("a", after_same=True).targets(reading.tokens), reading.tokens, reading.token_texts
    )[0]
    assert (rule.after_same, covers, only) == (True, 1.0, 1.0)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda r: Detector("Mine", back=(1,)), "no name for a detector"),
        (lambda r: Detector("mine"), "needs a part"),
        (lambda r: Detector("mine", back=(99,)), "0 to 20 tokens back"),
        (lambda r: Detector("mine", words=("a",) * 50), "leave some out"),
        (lambda r: detect(r, Detector("mine", words=("zebra",))), "no such place"),
        (lambda r: detect(r, np.zeros((13, 13), dtype=bool)), "Paint a cell"),
        (lambda r: detect(r, np.triu(np.ones((13, 13), dtype=bool), 1)), "cannot look ahead"),
        (lambda r: detect(r, np.ones((3, 3), dtype=bool)), "one for each pair"),
    ],
)
def test_what_cannot_be_gets_a_sentence(reading, act, words):
    with pytest.raises(HeadlabError, match=words):
        act(reading)


def test_layers_that_were_not_kept_are_missed(model):
    with pytest.raises(HeadlabError, match="were not kept"):
        detect(read_text(model, CAT, layers=[0]), Detector("a", back=(1,)))
