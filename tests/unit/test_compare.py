"""Comparisons: hand-made profiles, the bootstrap against a slow plain one, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from headlab import HeadlabError, Profile, load_model, read_text
from headlab.measuring.confidence import bootstrap_weights
from headlab.measuring.probes import VERSION
from headlab.models.tokens import tokenise
from headlab.profiles.changes import DOWN, OPEN, SAME, UNMEASURED, UP, Change, changes
from headlab.profiles.comparable import share_lineage
from headlab.profiles.compare import compare_profiles
from headlab.profiles.compare_text import compare_words, on_words, pool, similarity
from headlab.profiles.kept import kept_profile
from headlab.profiles.profiling import profile_model
from headlab.profiles.roles import depth_shares
from tests.models import gpt2_config, tiny_model, tiny_tokenizer

QUICK = {"variants": False, "controls": 0, "cache": False}


@pytest.fixture(scope="module")
def mini() -> Profile:
    profile = kept_profile(load_model("mini"))
    assert profile is not None
    return profile


@pytest.fixture(scope="module")
def tiny() -> Profile:
    return profile_model(tiny_model(), **QUICK)


@pytest.fixture(scope="module")
def other_shape() -> Profile:
    return profile_model(tiny_model(gpt2_config(n_layer=5, n_head=2)), **QUICK)


def with_prompts(profile: Profile, behaviour: str, scores: np.ndarray) -> Profile:
    """The profile with these scores [prompt, layer, head] of single prompts, and their mean."""
    probe = next(iter(profile.prompt_scores[behaviour]))
    mean = scores.mean(axis=0)
    return replace(
        profile,
        content_hash="another",
        model_name="another",
        score=profile.score | {behaviour: mean},
        probe_scores=profile.probe_scores | {behaviour: {probe: mean}},
        prompt_scores=profile.prompt_scores | {behaviour: {probe: scores}},
    )


def shifted(profile: Profile, by: float, noise: float = 0.0) -> Profile:
    """The profile of a model whose induction scores all rose by ``by``, give or take."""
    (scores,) = profile.prompt_scores["induction"].values()
    rng = np.random.default_rng(1)
    return with_prompts(profile, "induction", scores + by + noise * rng.normal(size=scores.shape))


def test_the_paired_bootstrap_equals_a_slow_plain_one(tiny):
    later = shifted(tiny, 0.1, noise=0.3)
    found = changes(tiny, later)["induction"]
    (ours,), (theirs,) = (p.prompt_scores["induction"].values() for p in (tiny, later))
    weights = bootstrap_weights(len(ours), seed=0)
    for layer, head in ((0, 0), (2, 3)):
        differences = []
        for draw in weights:
            drawn = np.repeat(np.arange(len(ours)), draw.astype(int))
            before = np.mean([ours[i, layer, head] for i in drawn])
            after = np.mean([theirs[i, layer, head] for i in drawn])
            differences.append(after - before)
        low, high = np.percentile(differences, (2.5, 97.5))
        assert found.low[layer, head] == pytest.approx(low)
        assert found.high[layer, head] == pytest.approx(high)


def test_what_a_prompt_does_to_both_models_cancels(tiny):
    found = changes(tiny, shifted(tiny, 0.2))["induction"]
    assert found.change == pytest.approx(np.full((3, 4), 0.2))
    assert found.low == pytest.approx(found.change) and found.high == pytest.approx(found.change)


def test_the_interval_of_a_behaviour_on_two_probes_is_that_of_the_probe_it_came_from(tiny):
    by_probe = tiny.prompt_scores["previous_token"]
    assert len(by_probe) == 2
    scores = {probe: np.full_like(scores, 0.5) for probe, scores in by_probe.items()}
    means = {probe: array[0] for probe, array in scores.items()}
    first = next(iter(scores))
    scores[first] = scores[first] - 0.2  # the lower one
    means[first] = means[first] - 0.2
    later = replace(
        tiny,
        score=tiny.score | {"previous_token": means[first]},
        probe_scores=tiny.probe_scores | {"previous_token": means},
        prompt_scores=tiny.prompt_scores | {"previous_token": scores},
    )
    again = replace(later, content_hash="again")
    moved = changes(later, again)["previous_token"]
    assert np.abs(moved.change).max() == 0 and np.abs(moved.low).max() == pytest.approx(0)


def test_verdicts_ask_for_the_whole_interval():
    low = np.array([[0.06, -0.2, -0.04, 0.01, np.nan, np.nan]])
    high = np.array([[0.2, -0.05, 0.04, 0.2, np.nan, np.nan]])
    change = np.array([[0.1, -0.1, 0.0, 0.1, 0.3, np.nan]])
    found = Change(change, low, high)
    assert found.verdict.tolist() == [[UP, DOWN, SAME, OPEN, OPEN, UNMEASURED]]
    assert found.sure.tolist() == [[0.06, -0.05, 0, 0.01, 0, 0]]


def test_a_profile_without_scores_of_prompts_gives_changes_without_interval(tiny):
    bare = replace(tiny, prompt_scores={}, model_name="bare")
    comparison = compare_profiles(tiny, bare)
    change = comparison.changes["induction"]
    assert np.isnan(change.low).all() and change.change == pytest.approx(np.zeros((3, 4)))
    assert "bare does not hold the scores of single prompts" in change.why
    assert set(change.verdict.flat) == {OPEN}
    assert "no_interval" in comparison.to_dict()


def test_heads_are_compared_one_by_one_only_between_kin(mini):
    rng = np.random.default_rng(0)
    order = rng.permuted(np.tile(np.arange(12), (12, 1)), axis=1)
    apart = replace(
        mini,
        model_name="apart",
        score={name: np.take_along_axis(s, order, axis=1) for name, s in mini.score.items()},
    )
    assert share_lineage(mini, mini) and not share_lineage(mini, apart)
    comparison = compare_profiles(mini, apart)
    assert not comparison.changes and comparison.table().empty and comparison.flow().empty
    assert comparison.relabelled().empty
    assert any("trained apart" in reason for reason in comparison.by_role)


@pytest.mark.parametrize("n_layers", [2, 4])
def test_one_head_in_a_layer_is_told_from_those_of_other_layers(n_layers):
    one = profile_model(tiny_model(gpt2_config(n_layer=n_layers, n_head=1), seed=1), **QUICK)
    changed = {name: scores + 1e-4 for name, scores in one.score.items()}
    close = replace(one, model_name="close", score=changed)
    flipped = {name: scores[::-1] for name, scores in one.score.items()}
    apart = replace(one, model_name="apart", score=flipped)
    assert compare_profiles(one, replace(one)).changes
    assert not share_lineage(one, apart)
    if n_layers == 4:
        assert share_lineage(one, close)
        assert "trained apart" in compare_profiles(one, apart).by_role[-1]
    else:
        assert "too few heads to tell" in compare_profiles(one, close).by_role[-1]


def test_random_models_of_one_shape_are_no_kin():
    one, two = (profile_model(tiny_model(seed=seed), **QUICK) for seed in (1, 2))
    assert any("trained apart" in reason for reason in compare_profiles(one, two).by_role)


def test_labels_that_changed_and_their_flow(tiny):
    label = np.full((3, 4), "diffuse", dtype="<U20")
    after = label.copy()
    after[0, 1], after[2, 3] = "induction", "induction"
    sure = np.full((3, 4), 0.5)
    surer = sure.copy()
    surer[2, 3] = 1.0
    before = replace(tiny, label=label, label_confidence=sure + 0.4)
    later = replace(tiny, label=after, label_confidence=surer)
    comparison = compare_profiles(before, later)
    assert list(comparison.relabelled()["name"]) == ["L2.H3", "L0.H1"]
    flow = comparison.flow().values.tolist()
    assert flow == [["diffuse", "induction", 2], ["diffuse", "diffuse", 10]]
    shares = comparison.label_shares().set_index(["label", "depth"])
    assert shares.loc[("induction", "all"), "after"] == pytest.approx(2 / 12)
    assert shares.loc[("induction", "first third"), "after"] == pytest.approx(1 / 4)
    assert shares.loc[("induction", "middle third"), "after"] == 0
    assert shares.loc[("induction", "all"), "before"] == 0


def test_the_surest_change_comes_first(mini):
    (scores,) = mini.prompt_scores["induction"].values()
    moved = scores.copy()
    moved[:, 5, 1] += 0.3
    moved[:, 2, 7] -= 0.4
    moved[::2, 8, 8] += 0.9  # the largest mean, but only on every second prompt
    comparison = compare_profiles(mini, with_prompts(mini, "induction", moved))
    ranked = comparison.ranking("induction")
    assert set(ranked["name"]) == {"L2.H7", "L5.H1", "L8.H8"}
    sure = ranked["sure"].abs().to_numpy()
    assert (np.diff(sure) <= 0).all()
    assert list(comparison.ranking(top=1)["name"]) == ["L2.H7"]
    counts = comparison.verdict_counts().set_index("behaviour")
    assert counts.loc["induction", [UP, DOWN, SAME]].tolist() == [2, 1, 141]
    assert counts.loc["copying", SAME] == 144


def test_roles_of_models_of_different_shape_stand_by_rank(tiny, other_shape):
    comparison = compare_profiles(tiny, other_shape)
    assert any("3 layers of 4 heads" in reason for reason in comparison.by_role)
    table = comparison.matched_roles(top=2)
    row = table[(table["behaviour"] == "induction") & (table["rank"] == 1)].iloc[0]
    assert row["head_before"] == tiny.ranking("induction", top=1)["name"][0]
    assert row["head_after"] == other_shape.ranking("induction", top=1)["name"][0]
    assert 0 <= row["depth_after"] <= 1
    depth, share = depth_shares(other_shape, "diffuse")
    assert depth.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert share.shape == (5,)


@pytest.mark.parametrize(
    ("changed", "words", "is_caution"),
    [
        ({"start_token": None, "start_text": None}, "no start token", True),
        ({"start_text": "<s>"}, "start token <s>", False),
        (
            {"provenance": {"probe_version": 1}},
            f"different probe texts (version {VERSION} and 1)",
            True,
        ),
        ({"provenance": {"thresholds": {}}}, "different thresholds", True),
        ({"n_rows": {"punctuation": 1}}, "different tokens", False),
    ],
)
def test_what_is_not_comparable_says_why_and_roles_are_left(tiny, changed, words, is_caution):
    if "provenance" in changed:
        changed = {"provenance": tiny.provenance | changed["provenance"]}
    if "n_rows" in changed:
        changed = {"n_rows": tiny.n_rows | changed["n_rows"]}
    comparison = compare_profiles(tiny, replace(tiny, **changed))
    assert any(words in reason for reason in comparison.by_role)
    assert any(words in reason for reason in comparison.cautions) == is_caution
    assert not comparison.changes
    assert len(comparison.matched_roles()) and len(comparison.label_shares())


def test_behaviours_of_one_side_only_are_told(tiny):
    fewer = {name: scores for name, scores in tiny.score.items() if name != "copying"}
    poor = replace(tiny, model_name="poor", score=fewer, untested={"copying": "no weights"})
    comparison = compare_profiles(tiny, poor)
    assert "copying" not in comparison.changes
    assert comparison.left_out == ("Copying was measured on tiny only; on poor: no weights.",)
    nothing = replace(tiny, score={})
    with pytest.raises(HeadlabError, match="no behaviour in common"):
        compare_profiles(tiny, nothing)


def test_a_comparison_is_plain_json(tiny, other_shape):
    for after in (tiny, other_shape):
        data = json.loads(json.dumps(compare_profiles(tiny, after).to_dict(), allow_nan=False))
        assert data["schema"] == "headlab.comparison/1"
        assert bool(data["changes"]) == (after is tiny)
        assert data["matched_roles"] and data["before"]["n_layers"] == 3


# -- profiles that were changed by hand


def edited(profile: Profile, edit) -> dict:
    data = json.loads(json.dumps(profile.to_dict()))
    edit(data)
    return data


def rename(data):
    data["label"][0][0] = "wizard"


def promote(data):
    data["label"][0][0] = "induction" if data["label"][0][0] != "induction" else "diffuse"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            lambda data: data.update(schema="headlab.profile/2"),
            "its schema is 'headlab.profile/2'",
        ),
        (lambda data: data["score"]["induction"][0].__setitem__(0, 1.5), "is no share"),
        (
            lambda data: data["score"]["induction"][0].__setitem__(0, 0.99),
            "not those of its probes",
        ),
        (lambda data: data["probe_scores"].pop("copying"), "copying"),
        (
            lambda data: data["prompt_scores"]["induction"]["repeats"][0][0].__setitem__(0, 1),
            "not those of its prompts",
        ),
        (
            lambda data: data["prompt_scores"]["induction"].update(repeats=[[0.1]]),
            "wrong shape",
        ),
        (rename, "is not what its scores give|is no label"),
        (promote, "L0.H0 is not what its scores give"),
        (lambda data: data.update(model=["x"]), "no text"),
        (lambda data: data.update(n_layers=10**12), "changed by hand"),
        (lambda data: data["n_rows"].update(induction="many"), "many"),
        (lambda data: data["n_rows"].pop("induction"), "induction"),
        (lambda data: data.update(start_text=None), "start token"),
        (lambda data: data["score"].update(magic=data["score"]["copying"]), "magic"),
    ],
)
def test_a_profile_changed_by_hand_is_refused_with_a_sentence(tiny, edit, words):
    with pytest.raises(HeadlabError, match=words):
        Profile.from_dict(edited(tiny, edit))


@pytest.mark.parametrize("source", [b"", b"\xff\xfe", b"[" * 100_000, b"{} {}", b"nonsense"])
def test_a_file_that_is_no_json_is_refused_with_a_sentence(source):
    with pytest.raises(HeadlabError, match=r"no JSON|no profile"):
        Profile.from_json(source)


def test_an_unchanged_profile_is_taken(tiny, mini):
    for profile in (tiny, mini):
        again = Profile.from_json(json.dumps(profile.to_dict()))
        assert again.label.tolist() == profile.label.tolist()
        assert compare_profiles(profile, again).changes


# -- one text on two models


def test_patterns_of_tokens_become_patterns_of_words_by_hand():
    pattern = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.3, 0.5, 0], [0.1, 0.2, 0.3, 0.4]])
    pooled = pool(pattern, np.array([0, 1, 1, 2]), 3)
    expected = [[1, 0, 0], [0.35, 0.65, 0], [0.1, 0.5, 0.4]]
    assert pooled == pytest.approx(np.array(expected))


def test_similarity_by_hand():
    one = np.array([[1, 0], [1.0, 0.0]])
    other = np.array([[1, 0], [0.25, 0.75]])
    assert similarity(one, one) == 1 and similarity(one, other) == pytest.approx(0.25)
    with pytest.raises(HeadlabError, match="different shapes"):
        similarity(one, np.eye(3))


TEXT = "Unbelievably good stories,\n told  twice."


@pytest.fixture(scope="module")
def two_models():
    """One model and one that splits texts in another way."""
    model = tiny_model()
    return model, replace(tiny_model(seed=3), tokenizer=tiny_tokenizer(420), name="other")


def words_of(model, text=TEXT, **options):
    return on_words(read_text(model, text, **options), model)


def test_different_tokens_are_compared_by_words_and_it_says_so(two_models):
    one, two = two_models
    assert tokenise(one, TEXT)[1] != tokenise(two, TEXT)[1]
    both = compare_words(words_of(one), words_of(two))
    assert both.level == "words" and "whole words" in both.sentence
    assert both.names == ["<|endoftext|>", "Unbelievably", "good", "stories,", "told", "twice."]
    for patterns in (both.before, both.after):
        assert patterns.shape == (3, 4, 6, 6)
        assert patterns.sum(-1) == pytest.approx(np.ones((3, 4, 6)), abs=1e-5)
        assert np.triu(patterns, 1).max() == 0


def test_like_tokens_are_compared_as_they_are(two_models):
    one, _ = two_models
    both = compare_words(words_of(one), words_of(tiny_model(seed=5)))
    assert both.level == "tokens" and "same tokens" in both.sentence
    assert both.similarity().shape == (3, 4) and (both.similarity() < 1).all()
    wide = words_of(tiny_model(gpt2_config(n_head=2)))
    assert np.isnan(compare_words(words_of(one), wide).similarity()).all()


def test_readings_that_do_not_belong_together_get_a_sentence(two_models):
    one, _ = two_models
    with pytest.raises(HeadlabError, match="different texts"):
        compare_words(words_of(one), words_of(one, "another text here"))
    with pytest.raises(HeadlabError, match="without"):
        compare_words(words_of(one), words_of(one, start_token=None))
