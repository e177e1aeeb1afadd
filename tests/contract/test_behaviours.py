"""What every behaviour keeps, whichever it is: the registry is the list."""

import importlib
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headlab import HeadlabError, score_patterns
from headlab import behaviours as package
from headlab.behaviours import Behaviour, Prompt, Spans, behaviours, get_behaviour
from headlab.evidence.references import REFERENCES
from headlab.measuring.scoring import Batch
from tests.models import tiny_model

ALL = list(behaviours().values())
TARGETS = [behaviour for behaviour in ALL if behaviour.targets is not None]
PATTERNS = [behaviour for behaviour in ALL if not behaviour.needs_model]
MEASURED = [behaviour for behaviour in ALL if behaviour.measure is not None]
PROBES = {"sentences", "repeats", "facts", "names"}

TEXTS = (" the", " cat", ",", ".", "\n", "", " ", "é", "»")
quick = settings(max_examples=30, deadline=None)
every = pytest.mark.parametrize("behaviour", ALL, ids=lambda behaviour: behaviour.name)
every_target = pytest.mark.parametrize("behaviour", TARGETS, ids=lambda behaviour: behaviour.name)


@st.composite
def cases(draw):
    """A prompt of 1 to 12 tokens, few of them distinct, with texts and spans, and patterns."""
    n = draw(st.integers(1, 12))
    tokens = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    texts = draw(st.lists(st.sampled_from(TEXTS), min_size=n, max_size=n))
    places = draw(st.permutations(range(n)))
    asked = draw(st.integers(1, n))
    others = draw(st.integers(asked, n))
    spans = Spans(tuple(places[:asked]), tuple(places[asked:others]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharpness = draw(st.sampled_from([0.0, 1.0, 30.0]))
    logits = sharpness * rng.standard_normal((2, 3, n, n))
    logits = np.where(np.tril(np.ones((n, n), dtype=bool)), logits, -np.inf)
    patterns = np.exp(logits - logits.max(-1, keepdims=True))
    return Prompt(tuple(tokens), tuple(texts), spans), patterns / patterns.sum(-1, keepdims=True)


def scores_of(prompt, patterns, names=None):
    return score_patterns(
        patterns, list(prompt.tokens), names, token_texts=prompt.token_texts, spans=prompt.spans
    )


@quick
@given(cases())
def test_scores_lie_between_0_and_1_or_are_nan(case):
    prompt, patterns = case
    scores = scores_of(prompt, patterns)
    assert set(scores) == {behaviour.name for behaviour in PATTERNS}
    for name, score in scores.items():
        assert score.shape == patterns.shape[:2], name
        known = score[~np.isnan(score)]
        assert known.size in (0, score.size), f"{name}: a text tests all heads or none"
        assert (known > -1e-6).all() and (known < 1 + 1e-6).all(), name


@quick
@given(cases())
def test_a_score_is_nan_exactly_where_no_row_is_eligible(case):
    prompt, patterns = case
    scores = scores_of(prompt, patterns)
    for behaviour in PATTERNS:
        if behaviour.targets is not None:
            codes = np.unique(prompt.tokens, return_inverse=True)[1]
            n_rows = behaviour.targets(codes, prompt.token_texts, prompt.spans).any(-1).sum()
        else:
            n_rows = behaviour.n_rows(prompt)
        assert np.isnan(scores[behaviour.name]).all() == (n_rows == 0), behaviour.name


@quick
@given(cases())
def test_chance_lies_between_0_and_1_and_never_reaches_it(case):
    prompt, patterns = case
    for on_text in (False, True):
        batch = Batch([prompt], PATTERNS, on_text=on_text)
        chance = batch.score_layer(0, torch.from_numpy(patterns[:1])).chance
        for behaviour in TARGETS:
            known = chance[behaviour.name][~np.isnan(chance[behaviour.name])]
            assert (known > -1e-6).all() and (known < 1 + 1e-6).all(), behaviour.name


@quick
@given(cases())
def test_patterns_and_tokens_are_only_read(case):
    prompt, patterns = case
    before = patterns.copy()
    patterns.setflags(write=False)
    scores_of(prompt, patterns)
    np.testing.assert_array_equal(patterns, before)


@quick
@given(cases(), st.permutations(range(6)))
def test_shuffled_heads_have_shuffled_scores(case, order):
    """Layer and head mean nothing to a score: it is the pattern's own."""
    prompt, patterns = case
    n = patterns.shape[-1]
    shuffled = patterns.reshape(6, n, n)[list(order)].reshape(patterns.shape)
    scores, again = scores_of(prompt, patterns), scores_of(prompt, shuffled)
    for name, score in scores.items():
        expected = score.reshape(6)[list(order)].reshape(score.shape)
        np.testing.assert_allclose(again[name], expected, atol=1e-6, err_msg=name)


@quick
@given(cases(), st.permutations(range(5)))
def test_renaming_tokens_changes_nothing(case, names):
    prompt, patterns = case
    renamed = Prompt(tuple(names[t] for t in prompt.tokens), prompt.token_texts, prompt.spans)
    scores, again = scores_of(prompt, patterns), scores_of(renamed, patterns)
    for name in scores:
        np.testing.assert_allclose(again[name], scores[name], atol=1e-6, err_msg=name)


@every_target
@quick
@given(case=cases())
def test_targets_are_causal_boolean_cells_and_their_input_stays(behaviour, case):
    prompt, _ = case
    codes = np.unique(prompt.tokens, return_inverse=True)[1]
    codes.setflags(write=False)
    n = len(codes)
    cells = behaviour.targets(codes, prompt.token_texts, prompt.spans)
    assert cells.dtype == bool and cells.shape == (n, n)
    assert not np.triu(cells, 1).any()
    if behaviour.text_targets is not None:
        stricter = behaviour.text_targets(codes, prompt.token_texts, prompt.spans)
        assert stricter.shape == (n, n) and not (stricter & ~cells).any()


@every_target
def test_targets_need_no_texts_or_spans_or_say_that_they_do(behaviour):
    cells = behaviour.targets(np.arange(8), None, None)
    assert cells is None or cells.shape == (8, 8)
    if cells is None:
        scores = score_patterns(np.eye(8)[None, None], list("abcdefgh"), behaviour.name)
        assert np.isnan(scores[behaviour.name]).all()


@every_target
def test_a_head_that_looks_only_at_targets_scores_1(behaviour):
    """[start] + x + x of eight tokens, every third a comma, a span at 2 and 3."""
    tokens = np.array([99, *range(8), *range(8)])
    texts = ["<s>", *[[" a", " b", ","][k % 3] for k in tokens[1:]]]
    spans = Spans((2, 3), (5,))
    cells = behaviour.targets(np.unique(tokens, return_inverse=True)[1], texts, spans)
    aimed = np.where(cells.any(-1, keepdims=True), cells, np.eye(17))
    patterns = (aimed / aimed.sum(-1, keepdims=True))[None, None]
    away = np.zeros((17, 17))
    for q in range(17):
        away[q, np.flatnonzero(~cells[q, : q + 1])[0]] = 1  # the first cell that is no target
    both = np.concatenate([patterns, away[None, None]])
    scores = score_patterns(both, tokens, behaviour.name, token_texts=texts, spans=spans)
    assert scores[behaviour.name][0, 0] == pytest.approx(1)
    assert scores[behaviour.name][1, 0] == pytest.approx(0)


@pytest.mark.parametrize("behaviour", MEASURED, ids=lambda behaviour: behaviour.name)
def test_what_is_measured_on_the_model_keeps_the_same_rules(behaviour):
    """Range, rows and an untouched pattern, on a tiny model's repeated tokens."""
    from headlab.models.attention import Tap, run

    model = tiny_model()
    x = list(range(300, 312))
    prompts = [
        Prompt((0, *x, *x), half=13, names=(2, 5)),
        Prompt((0, *x[:9], *x[:9]), half=10, names=(4,)),
        Prompt((0, 5)),
    ]
    batch = Batch(prompts, [behaviour], model=model)
    found = []

    def read(layer, pattern, value):
        before = pattern.clone(), value.clone()
        found.append(batch.score_layer(layer, pattern, value))
        assert torch.equal(pattern, before[0]) and torch.equal(value, before[1])

    tap = Tap(read=read, edit_residual=batch.edit_residual)
    run(model.network, model.as_batch([prompt.tokens for prompt in prompts]), tap)
    for layer, (scores, chance, _) in enumerate(found):
        score = scores[behaviour.name]
        assert score.shape == chance[behaviour.name].shape == (3, model.n_heads)
        if layer < behaviour.first_layer:
            assert np.isnan(score).all() and np.isnan(chance[behaviour.name]).all()
            continue
        for index, prompt in enumerate(prompts):
            n_rows = behaviour.n_rows(prompt)
            assert np.isnan(score[index]).all() == (n_rows == 0)
            if n_rows:
                assert (score[index] >= -1e-6).all() and (score[index] <= 1 + 1e-6).all()
    if behaviour.probes != ("names",):  # of random names none may come out first
        assert not np.allclose(found[0][0][behaviour.name][:2], found[1][0][behaviour.name][:2])


@pytest.mark.parametrize(
    "behaviour", [b for b in ALL if b.needs_model], ids=lambda behaviour: behaviour.name
)
def test_patterns_alone_are_refused_where_the_model_is_needed(behaviour):
    with pytest.raises(HeadlabError, match="patterns alone cannot"):
        score_patterns(np.eye(4)[None, None], [1, 2, 3, 4], behaviour.name)


@every
def test_a_behaviour_says_what_it_is(behaviour):
    module = importlib.import_module(f"headlab.behaviours.{behaviour.name}")
    assert module.BEHAVIOUR is behaviour
    assert len(module.__doc__.split()) > 8
    for name in ("targets", "text_targets", "chance_cells", "measure", "n_rows", "evidence"):
        function = getattr(behaviour, name)
        assert function is None or function.__doc__
    for sentence in (behaviour.summary, behaviour.reason):
        assert sentence.endswith(".") and len(sentence.split()) >= 4
    assert behaviour.title and behaviour.asks
    assert (behaviour.targets is None) != (behaviour.measure is None)
    assert behaviour.probes and set(behaviour.probes) <= PROBES
    assert behaviour.scale in ("excess", "raw")
    assert 0 < behaviour.shown_from <= behaviour.threshold < 1


@every
def test_a_behaviour_says_what_the_ladder_asks_of_it(behaviour):
    for rung in (behaviour.rung3, behaviour.rung4):
        assert len(rung.asks.split()) >= 6
        # a sentence, or words that follow "does not apply:"
        assert rung.asks.endswith(".") == rung.applies == rung.asks[0].isupper()
        assert (rung.figure is None) == (rung.least is None)
        assert rung.applies or rung.figure is None


@every
def test_a_behaviour_names_its_sources_and_what_its_score_is(behaviour):
    assert behaviour.sources and set(behaviour.sources) <= set(REFERENCES)
    assert behaviour.cited in ("after", "related")
    usual = behaviour.measured_as == Behaviour.measured_as
    assert usual == (behaviour.measure is None)


def test_every_file_of_the_package_is_found_and_named_after_its_behaviour():
    files = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert set(behaviours()) == files - {"base", "detector", "own"}


def test_labels_are_decided_in_one_fixed_order():
    orders = [behaviour.label_order for behaviour in ALL]
    assert orders == sorted(set(orders))
    specific = "retrieval induction duplicate_token punctuation previous_token local_window"
    resting = ["first_token", "diffuse"]
    writing = ["copying", "name_copying", "name_suppression"]
    expected = [*specific.split(), "current_token", *writing, *resting]
    assert [name for name in behaviours() if name in expected] == expected
    assert [behaviour.name for behaviour in ALL if behaviour.resting] == resting
    assert len({behaviour.title for behaviour in ALL}) == len(ALL)


def test_the_registry_cannot_be_changed_from_outside():
    behaviours().clear()
    assert len(behaviours()) == len(ALL)


def test_an_unknown_behaviour_is_answered_with_the_nearest():
    with pytest.raises(HeadlabError, match="Did you mean 'duplicate_token'"):
        get_behaviour("duplicate_tokens")
    with pytest.raises(HeadlabError, match=r"Available: .*induction"):
        get_behaviour("zzz")
    assert isinstance(get_behaviour("induction"), Behaviour)
