"""A profile says what the heads' patterns say, and is read back only when whole."""

import inspect
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from headlab import HeadlabError, Profile, load_model, profile_model, score_patterns
from headlab.behaviours import behaviours, code_digest
from headlab.cli import DONE, main
from headlab.heads import Head
from headlab.measuring import probes
from headlab.measuring.confidence import MIN_PROMPTS, UNCLASSIFIED
from headlab.measuring.scoring import Measured
from headlab.models.anatomy import anatomy
from headlab.models.attention import Tap, run
from headlab.models.proof import install
from headlab.profiles import profiling, work
from headlab.profiles.kept import profile_key
from headlab.profiles.profile import SCHEMA, TOP_CAP
from tests.models import configurations, gpt2_config, tiny_model

QUICK = {"variants": False, "controls": 0}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def profile(model, steps):
    return profile_model(
        model, controls=2, cache=False, progress=lambda done, what: steps.append((done, what))
    )


@pytest.fixture(scope="module")
def prompts(model):
    return probes.probe_prompts(model, model.start_token)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))
    return tmp_path / "profiles"


@pytest.fixture
def measurements(monkeypatch):
    """How often a whole set of probes has been measured."""
    counted, measure, in_stages = [], profiling.measure, profiling.measure_in_stages

    def counting(*arguments):
        counted.append(1)
        return measure(*arguments)

    def counting_once(*arguments):
        counted.append(1)
        return in_stages(*arguments)

    monkeypatch.setattr(profiling, "measure", counting)
    monkeypatch.setattr(profiling, "measure_in_stages", counting_once)
    return counted


def patterns_of(model, tokens):
    layers = []
    read = Tap(read=lambda layer, pattern, value: layers.append(pattern[0].numpy().copy()))
    run(model.network, torch.tensor([tokens]), read)
    return np.stack(layers)  # [layer, head, query, key]


@pytest.mark.parametrize("probe", ["sentences", "repeats", "facts"])
def test_scores_equal_those_of_the_same_patterns_through_the_public_door(
    model, profile, prompts, probe
):
    """Streaming in padded batches and one prompt at a time through score_patterns: one thing."""
    tested = set()
    for index in range(0, len(prompts[probe]), 6):
        prompt = prompts[probe][index]
        scores = score_patterns(
            patterns_of(model, prompt.tokens),
            list(prompt.tokens),
            token_texts=prompt.token_texts,
            spans=prompt.spans,
        )
        for name, score in scores.items():
            if probe in profile.prompt_scores[name]:
                ours = profile.prompt_scores[name][probe][index]
                np.testing.assert_allclose(ours, score, atol=1e-5, err_msg=name)
                tested.add(name)
    expected = {b.name for b in behaviours().values() if probe in b.probes and not b.needs_model}
    assert tested == expected


def copying_by_hand(network, tokens, half):
    """The definition, cell by cell: score and chance [layer, head]."""
    normed = []
    hooks = [
        block.ln_1.register_forward_hook(lambda module, inputs, output: normed.append(output[0]))
        for block in network.transformer.h
    ]
    patterns = []
    run(
        network,
        torch.tensor([tokens]),
        Tap(read=lambda layer, pattern, value: patterns.append(pattern[0].numpy().copy())),
    )
    for hook in hooks:
        hook.remove()
    n_heads = network.config.n_head
    d_model, d_head = network.config.n_embd, network.config.n_embd // n_heads
    distinct = sorted(set(tokens))
    W_U = network.lm_head.weight.T[:, distinct]
    score, chance = np.zeros((2, len(normed), n_heads))
    for layer, block in enumerate(network.transformer.h):
        for head in range(n_heads):
            mine = slice(head * d_head, (head + 1) * d_head)
            of_value = slice(2 * d_model + mine.start, 2 * d_model + mine.stop)
            W_V, b_V = block.attn.c_attn.weight[:, of_value], block.attn.c_attn.bias[of_value]
            W_O = block.attn.c_proj.weight[mine]
            copied = np.zeros(len(tokens))
            for k, token in enumerate(tokens):
                written = (normed[layer][k] @ W_V + b_V) @ W_O
                logits = (written * network.transformer.ln_f.weight) @ W_U
                copied[k] = distinct[int(logits.argmax())] == token
            rows = range(half, len(tokens))
            for q in rows:
                for k in range(1, q):
                    score[layer, head] += patterns[layer][head, q, k] * copied[k] / len(rows)
                    chance[layer, head] += copied[k] / (q + 1) / len(rows)
    return score, chance


def test_copying_equals_a_slow_straightforward_reference(model, profile, prompts):
    differ = 0
    for index in (0, 1, 7):
        prompt = prompts["repeats"][index]
        score, _ = copying_by_hand(model.network, prompt.tokens, prompt.half)
        ours = profile.prompt_scores["copying"]["repeats"][index]
        np.testing.assert_allclose(ours, score, atol=1e-5)
        differ += np.unique(score.round(4)).size
    assert differ > 12  # heads copy differently


def test_chance_of_copying_equals_the_reference(model, prompts):
    prompt = prompts["repeats"][3]
    measured = profiling.measure(model, {"repeats": [prompt]}, [behaviours()["copying"]])
    _, chance = copying_by_hand(model.network, prompt.tokens, prompt.half)
    ours = measured["copying"]["repeats"].chance[0]
    np.testing.assert_allclose(ours, chance, atol=1e-5)
    assert chance.max() > 0


def test_a_score_is_the_mean_of_its_prompts_and_the_lower_of_two_probes(profile):
    for name, by_probe in profile.prompt_scores.items():
        means = {
            probe: np.where(np.isfinite(scores).any(0), np.nansum(scores, axis=0), np.nan)
            / np.maximum(np.isfinite(scores).sum(0), 1)
            for probe, scores in by_probe.items()
        }
        for probe, mean in means.items():
            np.testing.assert_allclose(profile.probe_scores[name][probe], mean, atol=1e-6)
        if len(means) == 1:
            np.testing.assert_allclose(profile.score[name], next(iter(means.values())), atol=1e-6)
    both = profile.probe_scores["previous_token"]
    assert set(both) == {"sentences", "repeats"}
    chosen = profile.score["previous_token"]
    is_one = np.isclose(chosen, both["sentences"]) | np.isclose(chosen, both["repeats"])
    assert is_one.all()


def test_of_two_probes_the_one_on_which_a_head_does_worse_counts_in_every_resample():
    """Two heads, two prompts each: the second resample draws only each probe's second prompt."""
    nan = np.nan
    found = {
        "sentences": Measured(
            np.array([[[0.9, 0.2, nan]], [[0.3, 0.2, nan]]]), np.full((2, 1, 3), 0.1), np.ones(2)
        ),
        "repeats": Measured(
            np.array([[[0.5, 0.8, 0.7]], [[0.5, nan, 0.7]]]), np.full((2, 1, 3), 0.05), np.ones(2)
        ),
    }
    weights = {probe: np.array([[1.0, 1.0], [0.0, 2.0]]) for probe in found}
    lower = profiling._combine(behaviours()["previous_token"], found, weights)
    np.testing.assert_allclose(lower.score[0, 0], [0.5, 0.2, nan])
    np.testing.assert_allclose(lower.chance[0, 0], [0.05, 0.1, nan])
    # drawn twice, the second sentence gives .3; a probe that cannot test a head leaves it untested
    np.testing.assert_allclose(lower.score[1, 0], [0.3, nan, nan])


def test_every_behaviour_is_profiled_with_its_figures(profile):
    assert profile.behaviours == tuple(behaviours())
    assert not profile.untested
    for name in profile.behaviours:
        score, chance, excess = profile.score[name], profile.chance[name], profile.excess[name]
        first = behaviours()[name].first_layer
        assert score.shape == (3, 4) and np.isfinite(score[first:]).all()
        assert np.isnan(score[:first]).all()
        if name == "diffuse":
            assert np.isnan(chance).all() and np.isnan(excess).all()
        else:
            np.testing.assert_allclose(excess, (score - chance) / (1 - chance), atol=1e-9)
        low, score, high = profile.low[name][first:], score[first:], profile.high[name][first:]
        assert (low <= score).all() and (score <= high).all() and (high - low).max() < 0.5
        share = profile.role_confidence[name][first:]
        assert ((share >= 0) & (share <= 1)).all()
        sure = np.abs(profile.value(name)[first:] - behaviours()[name].threshold) > 0.3
        passes = profile.value(name)[first:] >= behaviours()[name].threshold
        assert (share[sure] == passes[sure]).all()
    counts = {"sentences": 20, "repeats": 50, "facts": 32, "names": 12}
    assert profile.n_prompts["name_copying"] == counts["names"]
    assert profile.n_rows["name_suppression"] == 3 * counts["names"]
    assert profile.n_prompts["induction"] == counts["repeats"]
    assert profile.n_prompts["first_token"] == counts["sentences"]
    assert profile.n_prompts["retrieval"] == profile.n_rows["retrieval"] == counts["facts"]
    assert profile.n_prompts["previous_token"] == counts["sentences"] + counts["repeats"]


def test_labels_and_their_confidence(profile):
    order = behaviours()
    for layer in range(3):
        for head in range(4):
            passed = [n for n in order if profile.value(n)[layer, head] >= order[n].threshold]
            assert profile.label[layer, head] == (passed[0] if passed else UNCLASSIFIED)
            assert set(passed) <= set(profile.roles(layer, head))
            assert profile.margin[layer, head] >= 0  # past its own threshold, or below all
    assert profile.n_variants == 4
    assert set(profile.holds_in.ravel()) <= {0, 1, 2, 3, 4}
    expected = np.minimum(profile.stability, profile.holds_in / 4)
    np.testing.assert_array_equal(profile.label_confidence, expected)
    assert sum(profile.label_counts().values()) == 12
    assert profile.confidence_text(0, 0).startswith("stable ")
    assert profile.confidence_text(0, 0).endswith(" of 4")


def test_random_weights_as_they_are_initialised_carry_no_specific_label(profile):
    assert profile.controls == 2
    assert set(profile.false_positives) == {n for n, b in behaviours().items() if not b.resting}
    assert not any(profile.false_positives.values())


def test_a_false_positive_would_be_counted(model, monkeypatch):
    """Random weights whose every head looks at the current token: 12 labels too many."""
    measure = profiling.measure

    def measure_and_look_at_itself(network, *arguments):
        measured = measure(network, *arguments)
        if "random weights" in network.name:
            found = measured["current_token"]["sentences"]
            found.score[:] = 0.95
        return measured

    monkeypatch.setattr(profiling, "measure", measure_and_look_at_itself)
    found = profile_model(model, variants=False, controls=2, cache=False).false_positives
    assert found["current_token"] == 24 and sum(found.values()) == 24


def test_progress_runs_from_0_to_1(profile, steps):
    done = [share for share, _ in steps]
    assert done[0] == 0 and done[-1] == 1 and done == sorted(done)
    assert {"measuring the probes", "variant: long texts", "done"} <= {
        what.partition(", about")[0] for _, what in steps
    }
    assert len(set(done)) > 50  # every batch moves it
    assert max(np.diff(done)) < 0.1


def test_the_time_left_is_told_once_it_can_be(model, monkeypatch):
    """A clock that runs one second for each hundredth of the work."""
    told = []

    def listen(done, what):
        told.append((done, what))
        monkeypatch.setattr(work.time, "monotonic", lambda: 1_000 + 100 * done)

    monkeypatch.setattr(work.time, "monotonic", lambda: 1_000)
    profile_model(model, cache=False, progress=listen, **QUICK)
    late = [(done, what) for done, what in told if 0.3 < done < 0.99]
    assert late
    for (before, _), (done, what) in pairwise(told):
        if "left" in what:  # the clock stands where the step before left it
            assert f"about {100 * before * (1 - done) / done:.0f} s left" in what
        else:
            assert 100 * before < 2 or done in (0, 1)
    assert all("left" in what for _, what in late)


def test_first_labels_come_after_a_few_of_the_probes_and_are_refined(model, prompts):
    found = []
    whole = profile_model(model, cache=False, partial=lambda *news: found.append(news), **QUICK)
    shares, profiles = zip(*found, strict=True)
    assert shares == (0.04, 0.4, 1.0)
    n_first = {probe: -(-len(sequences) // 25) for probe, sequences in prompts.items()}
    for name, by_probe in profiles[0].prompt_scores.items():
        for probe, scores in by_probe.items():
            assert len(scores) == n_first[probe]
            np.testing.assert_allclose(
                scores, whole.prompt_scores[name][probe][: len(scores)], atol=1e-5
            )
    assert not np.array_equal(profiles[0].score["induction"], profiles[1].score["induction"])
    for figure, value in whole.looks.value.items():
        np.testing.assert_array_equal(profiles[-1].looks.value[figure], value)
    for earlier in profiles:
        assert earlier.label.shape == (3, 4) and earlier.n_variants == earlier.controls == 0
        assert Profile.from_dict(earlier.to_dict()).label.tolist() == earlier.label.tolist()
    assert np.isnan(profiles[0].stability).any()  # a handful of prompts says little
    last, done = profiles[-1].to_dict(), whole.to_dict()
    for checked in ("evidence", "false_positives", "looks"):
        last.pop(checked), done.pop(checked)
    assert last == done


def test_the_labels_in_a_line_count_every_head(profile):
    label = np.full((3, 4), "first_token", dtype="U20")
    label[0, 0] = label[2, 3] = "induction"
    label[1, 1] = UNCLASSIFIED
    text = replace(profile, label=label).labels_text
    assert text == "2 induction, 9 first token, 1 unclassified"


def test_stages_change_no_figure(model, prompts):
    """All prompts at once and in stages."""
    chosen = list(behaviours().values())
    at_once = profiling.measure(model, prompts, chosen)
    *_, (share, in_stages) = profiling.measure_in_stages(model, prompts, chosen)
    assert share == 1 and set(in_stages) == set(at_once)
    for name, by_probe in at_once.items():
        assert list(by_probe) == list(in_stages[name])
        for probe, m in by_probe.items():
            staged = in_stages[name][probe]
            np.testing.assert_allclose(staged.score, m.score, atol=1e-5)
            np.testing.assert_allclose(staged.chance, m.chance, atol=1e-5)
            np.testing.assert_array_equal(staged.rows, m.rows)


def test_two_profiles_of_one_model_are_equal(model, profile):
    again = profile_model(model, controls=2, cache=False)
    assert again.to_dict() == profile.to_dict()


def test_the_model_is_left_as_it_was(model, profile):
    fresh = tiny_model()
    assert fresh.content_hash == model.content_hash == profile.content_hash
    assert not model.network.training


def test_save_and_load_give_the_profile_back(profile, tmp_path):
    path = tmp_path / "new folder" / "tiny.json"
    profile.save(path)
    assert [file.name for file in path.parent.iterdir()] == ["tiny.json"]
    loaded = Profile.load(path)
    ours, theirs = profile.to_dict(), loaded.to_dict()
    tops = ours.pop("top_heads"), theirs.pop("top_heads")
    assert ours == theirs
    for name, heads in tops[0].items():
        assert [head["head"] for head in heads] == [head["head"] for head in tops[1][name]]
    np.testing.assert_array_equal(loaded.label, profile.label)
    for name in profile.behaviours:
        np.testing.assert_allclose(loaded.score[name], profile.score[name], atol=1e-6)
    assert loaded.table().shape == profile.table().shape
    assert loaded.heads_table()["roles"].tolist() == profile.heads_table()["roles"].tolist()


def test_the_file_says_where_its_figures_come_from(profile, model, tmp_path):
    profile.save(tmp_path / "tiny.json")
    data = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert data["schema"] == SCHEMA == "headlab.profile/1"
    assert data["model"] == "tiny" and data["content_hash"] == model.content_hash
    assert data["start_token"] == 0 and data["start_text"] == "<|endoftext|>"
    provenance = data["provenance"]
    assert provenance["probe_version"] == probes.VERSION and provenance["seed"] == 0
    assert provenance["resamples"] == 1000
    assert provenance["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert provenance["thresholds"]["induction"]["threshold"] == 0.6
    assert set(data["prompt_scores"]) == set(behaviours())


def numbers(value):
    if isinstance(value, list):
        for item in value:
            yield from numbers(item)
    else:
        yield value


def test_prompt_scores_have_four_decimals(profile):
    longest = 0
    for name, by_probe in profile.to_dict()["prompt_scores"].items():
        for probe, scores in by_probe.items():
            assert np.shape(scores) == profile.prompt_scores[name][probe].shape
            for number in numbers(scores):
                assert number is None or number == round(number, 4)
                longest = max(longest, len(str(number)))
    assert longest >= len("0.1234")


# --- the cache --------------------------------------------------------------------------------


def test_a_kept_profile_is_read_and_the_model_is_not_run(model, cache, measurements):
    first = profile_model(model, **QUICK)
    assert len(measurements) == 1 and len(list(cache.iterdir())) == 1
    second = profile_model(model, **QUICK)
    assert len(measurements) == 1
    np.testing.assert_array_equal(first.label, second.label)
    assert first.to_dict()["score"] == second.to_dict()["score"]


def test_the_cache_can_be_left_out(model, cache, measurements):
    profile_model(model, cache=False, **QUICK)
    assert not cache.exists()
    profile_model(model, **QUICK)
    profile_model(model, cache=False, **QUICK)
    assert len(measurements) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(SCHEMA, "headlab.profile/0"),
        lambda text: text.replace('"score"', '"scores"', 1),
        lambda text: json.dumps(json.loads(text) | {"provenance": {"key": "another"}}),
        lambda text: json.dumps(json.loads(text) | {"provenance": None}),
        lambda text: "[]",
    ],
)
def test_a_damaged_file_in_the_cache_is_measured_again(model, cache, measurements, spoil):
    first = profile_model(model, **QUICK)
    (kept,) = cache.iterdir()
    kept.write_text(spoil(kept.read_text(encoding="utf-8")), encoding="utf-8")
    again = profile_model(model, **QUICK)
    assert len(measurements) == 2
    assert again.to_dict() == first.to_dict()
    assert Profile.load(kept).to_dict()["score"] == first.to_dict()["score"]  # and mended


def test_what_changes_the_figures_has_its_own_place_in_the_cache(model, cache, measurements):
    profile_model(model, **QUICK)
    without = profile_model(model, start_token=None, **QUICK)
    profile_model(tiny_model(seed=1), **QUICK)
    profile_model(model, variants=False, controls=1)
    assert len(measurements) == 5  # the last one measures its control as well
    assert len(list(cache.iterdir())) == 4
    assert without.start_token is None and without.start_text is None


def test_a_cache_that_cannot_be_written_costs_only_the_keeping(
    model, tmp_path, monkeypatch, caplog
):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path / "file"))
    assert profile_model(model, **QUICK).model_name == "tiny"
    assert "not kept" in caplog.text


def test_a_profile_that_lies_beside_the_weights_is_used(model, cache, tmp_path, measurements):
    shipped = replace(model, folder=tmp_path / "model")
    profile_model(model, cache=False, **QUICK).save(tmp_path / "model" / "profile.json")
    profile_model(shipped, **QUICK)
    assert len(measurements) == 1 and not cache.exists()
    profile_model(shipped, start_token=None, **QUICK)  # it was made with a start token
    assert len(measurements) == 2


# --- other models and policies ----------------------------------------------------------------


def test_an_architecture_without_an_adapter_has_no_copying_and_says_so(monkeypatch):
    model = tiny_model(configurations()["llama"])
    lacking = replace(anatomy(model.network), weights="it keeps its weights elsewhere")
    install(model.network, lacking)
    llama = profile_model(model, cache=False, **QUICK)
    assert set(llama.untested) == {n for n, b in behaviours().items() if b.needs_model}
    assert "copying" not in llama.behaviours and "induction" in llama.behaviours
    with pytest.raises(HeadlabError, match="does not hold 'copying'"):
        llama.ranking("copying")


@pytest.mark.parametrize("kind", ["gpt_neo", "gpt_neox", "opt, projected", "qwen2"])
def test_every_behaviour_is_measured_on_other_architectures(kind):
    found = profile_model(tiny_model(configurations()[kind]), cache=False, **QUICK)
    assert not found.untested
    copying = found.score["copying"]
    assert np.isfinite(copying).all() and copying.max() > 0


@pytest.mark.parametrize(
    ("kind", "dtype"), [("gpt_neox", torch.float16), ("qwen2", torch.bfloat16)]
)
def test_the_types_that_models_are_stored_in_are_profiled_too(kind, dtype):
    """As on a GPU, where a model keeps its type; beside the same weights in float32."""
    model = tiny_model(configurations()[kind])
    model.network.to(dtype)
    short = profile_model(model, cache=False, **QUICK)
    model.network.float()
    long = profile_model(model, cache=False, **QUICK)
    assert short.score.keys() == long.score.keys() == behaviours().keys()
    for name, score in short.score.items():
        np.testing.assert_allclose(score, long.score[name], atol=0.05, err_msg=name)
    assert np.isfinite(short.score["copying"]).all() and short.score["copying"].max() > 0


def test_a_model_without_any_start_token_has_three_variants():
    found = profile_model(tiny_model(start_token=None), controls=0, cache=False)
    assert found.start_token is None and found.n_variants == 3
    assert found.holds_in.max() <= 3
    assert found.confidence_text(0, 0).endswith(" of 3")


def test_a_start_token_that_does_not_exist_is_refused(model):
    with pytest.raises(HeadlabError, match="ids run from 0 to"):
        profile_model(model, start_token=10_000, cache=False)


def test_a_label_that_rests_on_few_prompts_has_no_stability(model, monkeypatch):
    make = probes.facts
    monkeypatch.setattr(probes, "facts", lambda *args: make(*args)[: MIN_PROMPTS - 1])
    found = profile_model(model, cache=False, **QUICK)
    few = np.isin(found.label, ["retrieval", UNCLASSIFIED])
    assert few.any() and np.isnan(found.stability[few]).all()
    assert np.isfinite(found.stability[~few]).all()
    assert "unknown" in found.confidence_text(*np.argwhere(few)[0])


# --- reading a profile ------------------------------------------------------------------------


def with_values(profile, name, values):
    """The profile with other excesses (and scores) of one behaviour."""
    values = np.array(values, dtype=float)
    changed = {
        field: getattr(profile, field) | {name: values}
        for field in ("score", "excess", "low", "high", "chance", "role_confidence")
    }
    shape = values.shape
    return replace(profile, n_layers=shape[0], n_heads=shape[1], **changed)


def test_top_heads_are_at_most_eight(profile):
    values = np.linspace(0.7, 0.99, 12).reshape(3, 4)
    top = with_values(profile, "induction", values).top_heads["induction"]
    assert len(top) == TOP_CAP == 8
    assert [head["head"] for head in top[:2]] == ["L2.H3", "L2.H2"]
    assert [head["score"] for head in top] == sorted((h["score"] for h in top), reverse=True)


def test_top_heads_of_one_layer_make_room_for_the_best_that_passes_elsewhere(profile):
    """Ten heads of layer 1 pass and lead; in layer 0 two pass, in layer 2 none."""
    values = np.zeros((3, 10))
    values[1] = 0.9
    values[0, 7], values[0, 8] = 0.65, 0.62
    values[2, 0] = 0.55
    top = with_values(profile, "induction", values).top_heads["induction"]
    names = [head["head"] for head in top]
    assert names == [f"L1.H{head}" for head in range(7)] + ["L0.H7"]


def test_every_head_that_passes_is_listed_and_no_other(profile):
    """Where two of one layer pass, no weaker head of another layer takes the place of one."""
    values = np.full((3, 4), 0.7)
    values[0, :2] = 0.9, 0.81
    top = with_values(profile, "diffuse", values).top_heads["diffuse"]
    assert [head["head"] for head in top] == ["L0.H0", "L0.H1"]


def test_heads_that_do_not_show_a_behaviour_are_no_top_heads(profile):
    values = np.full((3, 4), 0.55)
    values[0, 0] = np.nan
    assert with_values(profile, "induction", values).top_heads["induction"] == []


def test_rankings_are_sorted_filtered_and_skip_what_was_not_tested(profile):
    values = np.arange(12, dtype=float).reshape(3, 4) / 20
    values[2, 3] = np.nan
    ranked = with_values(profile, "induction", values).ranking("induction")
    assert ranked["name"].tolist()[:3] == ["L2.H2", "L2.H1", "L2.H0"] and len(ranked) == 11
    changed = with_values(profile, "induction", values)
    assert changed.ranking("induction", top=2)["name"].tolist() == ["L2.H2", "L2.H1"]
    assert set(changed.ranking("induction", layers=[1])["layer"]) == {1}
    assert changed.ranking("induction", minimum=0.45)["name"].tolist() == ["L2.H2", "L2.H1"]
    with pytest.raises(HeadlabError, match="Did you mean 'induction'"):
        profile.ranking("inducton")


def test_the_table_has_one_row_for_each_head_and_behaviour(profile):
    table = profile.table()
    assert len(table) == 12 * len(profile.behaviours)
    row = table[(table.behaviour == "diffuse") & (table.layer == 2) & (table["head"] == 1)]
    assert row["score"].item() == profile.score["diffuse"][2, 1]
    assert row["n_prompts"].item() == 20
    assert profile.heads_table()["name"].tolist()[5] == "L1.H1"


def test_tags_stand_beside_the_label_and_copying_is_none_where_it_is_the_label(profile):
    zero = {name: np.zeros((3, 4)) for name in profile.behaviours}
    excess = zero | {"induction": np.full((3, 4), 0.8), "copying": np.full((3, 4), 0.8)}
    label = np.full((3, 4), "induction", dtype=object)
    label[0, 0] = "copying"
    changed = replace(profile, excess=excess, score=zero, label=label)
    assert changed.label_text(1, 1) == "induction · copies"
    assert changed.label_text(0, 0) == "copying"
    assert changed.roles(1, 1) == ["induction", "copying"]


def test_a_label_says_that_the_head_writes_against_what_it_looks_at(profile):
    zero = {name: np.zeros((3, 4)) for name in profile.behaviours}
    excess = zero | {name: np.full((3, 4), 0.8) for name in ("induction", "name_suppression")}
    label = np.full((3, 4), "induction", dtype=object)
    label[0, 0], label[0, 1] = "name_suppression", UNCLASSIFIED
    changed = replace(profile, excess=excess, score=zero, label=label)
    assert changed.label_text(1, 1) == "induction pattern · suppresses names"
    assert changed.label_text(0, 0) == "name suppression"
    assert changed.label_text(0, 1) == "unclassified · suppresses names"


def with_head(profile, label, **values):
    """The profile with L0.H0 labelled so, and with these values and nothing else."""
    arrays = {}
    for name in profile.behaviours:
        arrays[name] = profile.score[name].copy()
        arrays[name][0, 0] = values.get(name, 0.0)
    labels = profile.label.astype(object)
    labels[0, 0] = label
    return replace(profile, score=arrays, excess=arrays, label=labels)


@pytest.mark.parametrize(
    ("label", "values", "sentence"),
    [
        (
            "induction",
            {"induction": 0.9, "copying": 0.8, "first_token": 0.7},
            "Mainly induction, also copies; rests on the first token.",
        ),
        (
            "previous_token",
            {"previous_token": 0.9, "induction": 0.4},
            "Mainly previous token, also shows induction.",
        ),
        ("first_token", {"first_token": 0.9}, "Rests on the first token."),
        (UNCLASSIFIED, {"diffuse": 0.85}, "Nothing that we have a name for; spreads its attention"),
        (
            UNCLASSIFIED,
            {"induction": 0.9},
            "No name fits what it does most, but it shows induction.",
        ),
        (UNCLASSIFIED, {}, "Nothing that we have a name for."),
    ],
    ids=["tag and rest", "second role", "resting", "unclassified", "but a role", "nothing"],
)
def test_what_a_head_does_in_one_sentence(profile, label, values, sentence):
    assert with_head(profile, label, **values).sentence(0, 0).startswith(sentence)


def test_similar_heads_have_similar_scores(profile):
    table = profile.similar(1, 2)
    assert len(table) == 5 and "L1.H2" not in set(table["name"])
    assert table["similarity"].is_monotonic_decreasing
    vectors = np.stack([profile.score[name] for name in profile.behaviours])  # [behaviour, ...]
    other = Head.parse(table["name"][0])
    away = vectors[:, 1, 2] - vectors[:, other.layer, other.head]
    assert table["similarity"][0] == pytest.approx(1 - np.sqrt(np.nanmean(away**2)))
    distances = np.sqrt(np.nanmean((vectors - vectors[:, [1], [2]][..., None]) ** 2, axis=0))
    assert np.sort(distances, axis=None)[1] == pytest.approx(1 - table["similarity"][0])


def test_confidence_in_words(profile):
    changed = replace(
        profile, stability=np.full((3, 4), 0.974), holds_in=np.full((3, 4), 3), n_variants=4
    )
    assert changed.confidence_text(0, 0) == "stable 97 %, holds in 3 of 4"
    changed.stability[0, 0] = 1.0
    assert changed.confidence_text(0, 0) == "stable >99 %, holds in 3 of 4"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: [], "schema is None"),
        (
            lambda data: data | {"schema": "headlab.profile/9"},
            "'headlab.profile/9'",
        ),
        (lambda data: {"schema": SCHEMA}, "incomplete"),
        (lambda data: data | {"n_heads": 5}, "incomplete or was changed by hand"),
        (lambda data: data | {"label": None}, "incomplete or was changed by hand"),
        (lambda data: data | {"score": {"inducton": []}}, "incomplete or was changed by hand"),
        (lambda data: data | {"score": {"induction": "high"}}, "incomplete or was changed"),
        (lambda data: data | {"prompt_scores": 3}, "incomplete or was changed by hand"),
    ],
)
def test_what_is_no_profile_is_refused_in_one_sentence(profile, change, words):
    with pytest.raises(HeadlabError) as error:
        Profile.from_dict(change(profile.to_dict()))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_files_that_cannot_be_read_or_written(profile, tmp_path):
    with pytest.raises(HeadlabError, match="cannot be read"):
        Profile.load(tmp_path / "none.json")
    with pytest.raises(HeadlabError, match="cannot be read"):
        Profile.load(tmp_path)
    (tmp_path / "half.json").write_text('{"schema": ')
    with pytest.raises(HeadlabError, match="is damaged"):
        Profile.load(tmp_path / "half.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HeadlabError, match="is damaged"):
        Profile.load(tmp_path / "bytes.json")
    with pytest.raises(HeadlabError, match="cannot be written"):
        profile.save(tmp_path / "half.json" / "inside.json")


def test_a_context_too_short_for_fact_prompts_leaves_retrieval_untested():
    short = tiny_model(gpt2_config(n_positions=24))
    profile = profile_model(short, variants=False, controls=0, cache=False)
    assert profile.untested == {"retrieval": "its probes do not fit into 24 tokens"}
    assert "retrieval" not in profile.score and "induction" in profile.score


def test_a_profile_is_of_the_code_that_measured_it(monkeypatch):
    """Edited targets must not give the profile of before; comments and empty lines may change."""
    model = tiny_model()
    order = behaviours()
    key = profile_key(model, 0, False, 0, order)
    source = inspect.getsource

    def edited(change):
        monkeypatch.setattr(
            inspect,
            "getsource",
            lambda module: (
                change(source(module)) if module.__name__.endswith("induction") else source(module)
            ),
        )
        code_digest.cache_clear()
        try:
            return profile_key(model, 0, False, 0, order)
        finally:
            code_digest.cache_clear()

    assert edited(lambda text: text.replace("return", "return ~")) != key
    assert edited(lambda text: f"# a comment\n\n{text}") == key


def test_a_kept_profile_bears_the_name_that_asks(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))
    model = tiny_model()
    quick = {"variants": False, "controls": 0}
    first = profile_model(model, **quick)
    monkeypatch.setattr(profiling, "measure_in_stages", None)
    again = profile_model(replace(model, name="a renamed copy"), **quick)
    assert (first.model_name, again.model_name) == ("tiny", "a renamed copy")


def test_a_profile_on_prompts_of_one_s_own(model, tmp_path, capsys):
    """The same sentences as ours give the same; others give others; nothing is kept."""
    quick = {"variants": False, "controls": 0, "cache": False}
    ours = profile_model(model, **quick)
    same = profile_model(model, controls=0, prompts={"sentences": probes.sentences(model, 0)})
    np.testing.assert_array_equal(same.score["previous_token"], ours.score["previous_token"])
    texts = [f"Der Hund Nummer {n} sieht die Katze, und die Katze sieht ihn." for n in range(9)]
    german = profile_model(model, controls=0, prompts={"sentences": texts})
    assert german.n_prompts["punctuation"] == 9
    assert not np.array_equal(german.score["previous_token"], ours.score["previous_token"])
    np.testing.assert_array_equal(german.score["induction"], ours.score["induction"])
    with pytest.raises(HeadlabError, match="Did you mean 'sentences'"):
        profile_model(model, prompts={"sentence": texts})
    with pytest.raises(HeadlabError, match="can be read"):
        profile_model(model, prompts={"sentences": [""]})
    file = tmp_path / "mine.txt"
    file.write_text("\n\n".join(texts), "utf-8")
    out = tmp_path / "german.json"
    command = ["profile", "--model", "mini", "--sentences", str(file), "--quick", "--out", str(out)]
    assert main(command) == DONE
    found = profile_model(load_model("mini"), controls=0, prompts={"sentences": texts})
    np.testing.assert_allclose(
        Profile.load(out).score["previous_token"], found.score["previous_token"], atol=1e-5
    )
