"""What follows from first principles when heads are removed, patched and attributed."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from headlab import (
    Head,
    HeadlabError,
    ablate,
    ablation_sweep,
    attribute,
    mean_reference,
    patch,
    read_text,
)
from headlab.interventions import WHATS, SelfRepair
from headlab.measuring import probes
from headlab.models import editing
from headlab.models.editing import Edit
from headlab.models.weights import head_weights
from tests.models import configurations, random_network, tiny_model
from tests.oracle.test_weights import OUTPUTS, attention_modules

CAT = "The cat sat on the mat. The cat sat on the"
CLEAN, CORRUPT = "so Mary met John and said to", "so John met Mary and said to"
LONG = "There was once a cat that could not sleep because of the mice in the old kitchen."
KINDS = [kind for kind in configurations() if kind != "gpt_neo"]
SUMMED = [kind for kind in KINDS if kind != "opt, projected"]
GROUPED = [kind for kind in KINDS if kind.startswith(("llama", "qwen2", "mistral"))]


def every_head(model):
    return [Head(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return tiny_model(configurations()[request.param])


@pytest.fixture(scope="module")
def gpt2():
    return tiny_model()


def losses_of(network, tokens):
    """Loss at every position but the first, as the network's own forward gives it."""
    with torch.inference_mode():
        logprobs = network(torch.tensor([tokens]), use_cache=False).logits[0].log_softmax(-1)
    return -logprobs[:-1].gather(1, torch.tensor(tokens[1:])[:, None])[:, 0].numpy()


def test_removing_nothing_changes_nothing_at_all(model):
    effect = ablate(model, CAT, [])
    assert np.array_equal(effect.losses_before, effect.losses_after, equal_nan=True)
    assert effect.loss_change == 0 and effect.top_before == effect.top_after
    assert np.array_equal(effect.logprobs_before, effect.logprobs_after)
    for name, scores in effect.scores_before.items():
        assert np.array_equal(scores, effect.scores_after[name], equal_nan=True)
    assert effect.control is None and "No head" in effect.no_control
    own = losses_of(model.network, effect.tokens)
    np.testing.assert_allclose(effect.losses_before[1:], own, atol=1e-5)
    assert np.isnan(effect.losses_before[0])


def test_removing_every_head_is_a_network_without_W_O(model):
    effect = ablate(model, CAT, layers=range(model.n_layers))
    bare = random_network(model.network.config)
    for module in attention_modules(bare):
        (project,) = (getattr(module, name) for name in OUTPUTS if hasattr(module, name))
        project.weight.zero_()  # the bias stays
    np.testing.assert_allclose(effect.losses_after[1:], losses_of(bare, effect.tokens), atol=1e-5)
    assert len(effect.heads) == 12 and abs(effect.loss_change) > 0.01
    assert effect.control is None and "0 other heads" in effect.no_control


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "opt", "qwen2", "llama, biases"])
def test_removing_a_head_is_its_rows_of_W_O_at_zero(kind):
    """Cut at the input of W_O: the rows of one head's own outputs, and no columns."""
    model = tiny_model(configurations()[kind])
    effect = ablate(model, CAT, "L1.H2")
    bare = random_network(configurations()[kind])
    head_weights(bare, 1).W_O[2].zero_()  # a view of the network's own weight
    np.testing.assert_allclose(effect.losses_after[1:], losses_of(bare, effect.tokens), atol=1e-5)
    assert np.abs(effect.position_loss_change[1:]).max() > 1e-3


@pytest.mark.parametrize("kind", GROUPED)
def test_only_the_query_head_is_removed_and_not_its_siblings(kind):
    model = tiny_model(configurations()[kind])
    tokens = model.as_batch([read_text(model, CAT).tokens])
    zeros = editing.no_outputs(model.network)
    whole = editing.head_outputs(model.network, tokens)[1]
    seen = []

    def keep(layer, output):
        if layer == 1:
            seen.append(output[0].clone())

    for what, change in (("head output", zeros), ("value", None)):
        texts = tokens if change else torch.cat([tokens, tokens.flip(1)])
        rows = editing._Rows({len(texts): Edit({1: (2,)}, what)}, len(texts), change)
        tap = rows.tap()
        inner = tap.edit_output or (lambda layer, output: None)

        def edit_output(layer, output, inner=inner):
            edited = inner(layer, output)
            keep(layer, (output if edited is None else edited)[-1:])
            return edited

        editing.run(model.network, texts, replace(tap, edit_output=edit_output))
        output = seen.pop()
        torch.testing.assert_close(output[[0, 1, 3]], whole[[0, 1, 3]], atol=1e-5, rtol=0)
        assert (output[2] - whole[2]).abs().max() > 0.01


@pytest.mark.parametrize("what", WHATS)
def test_patching_a_text_with_itself_changes_nothing(model, what):
    effect = patch(model, CAT, CAT, 300, 301, what)
    np.testing.assert_allclose(effect.change, 0, atol=1e-5)
    assert np.isnan(effect.effect).all()


def test_patching_the_whole_residual_stream_is_the_other_text(gpt2):
    """Every position of it before layer 0; and one that cannot reach the answer is none."""
    tokens = [ablate(gpt2, text, draws=0).tokens for text in (CORRUPT, CLEAN)]
    texts = gpt2.as_batch(tokens)
    ((_, hidden),) = editing.versions(gpt2.network, texts, [Edit({0: ()}, "residual")])
    torch.testing.assert_close(hidden[2], hidden[1], atol=1e-5, rtol=0)
    early = patch(gpt2, CLEAN, CORRUPT, 300, 301, "residual", position=3)
    np.testing.assert_allclose(early.change[:, 4:], 0, atol=1e-5)
    assert early.patched.shape == (3, len(tokens[0]))


def test_both_directions_meet_at_the_ends(gpt2):
    there = patch(gpt2, CLEAN, CORRUPT, 300, 301)
    back = patch(gpt2, CLEAN, CORRUPT, 300, 301, direction="noising")
    swapped = patch(gpt2, CORRUPT, CLEAN, 300, 301)
    assert there.clean_metric == pytest.approx(back.clean_metric, abs=1e-5)
    np.testing.assert_allclose(back.patched, swapped.patched, atol=1e-5)
    np.testing.assert_allclose(back.effect, swapped.effect, atol=1e-4)
    ends = there.clean_metric - there.corrupt_metric
    np.testing.assert_allclose(there.effect * ends, there.patched - there.corrupt_metric, atol=1e-6)
    whole = patch(gpt2, CLEAN, CORRUPT, 300, 301, by_position=True)
    assert whole.patched.shape == (3, 4, len(whole.clean_tokens))


@pytest.mark.parametrize("kind", SUMMED)
def test_the_parts_sum_to_the_logit_difference(kind):
    model = tiny_model(configurations()[kind])
    for network, tolerance in ((model.network, 1e-4), (model.network.double(), 1e-6)):
        found = attribute(replace(model, network=network), CAT, 300, 301)
        allowed = tolerance * np.maximum(1, np.abs(found.difference))
        assert (np.abs(found.total - found.difference) <= allowed).all()
        with torch.inference_mode():
            logits = network(torch.tensor([found.tokens]), use_cache=False).logits[0]
        expected = (logits[:, 300] - logits[:, 301]).double().numpy()
        np.testing.assert_allclose(found.difference, expected, atol=tolerance)
    assert np.abs(found.heads).max() > 0.05


def test_a_removed_head_writes_nothing_and_later_ones_answer(gpt2):
    whole = attribute(gpt2, CAT, 300, 301)
    without = attribute(gpt2, CAT, 300, 301, removed=["L1.H2"])
    assert not without.heads[1, 2].any() and whole.heads[1, 2].any()
    assert np.abs(without.heads[2] - whole.heads[2]).max() > 1e-3
    np.testing.assert_allclose(without.total, without.difference, atol=1e-4)
    logits = [ablate(gpt2, CAT, heads, watch=[300, 301], draws=0) for heads in ([], "L1.H2")]
    for found, effect in zip((whole, without), logits, strict=True):
        one, other = effect.logprobs_after
        assert found.difference[-1] == pytest.approx(one - other, abs=1e-4)


def test_value_biases_are_what_heads_write_of_values_that_are_nothing_else(gpt2):
    """With W_V at zero a head's output is its value bias."""
    network = random_network(gpt2.network.config)
    for layer in range(3):
        network.transformer.h[layer].attn.c_attn.weight[:, 64:] = 0
    found = attribute(replace(gpt2, network=network), CAT, 300, 301)
    np.testing.assert_allclose(found.heads, found.value_biases, atol=1e-5)


def test_every_head_alone_is_the_sweep(model):
    sweep = ablation_sweep(model, CAT)
    assert sweep.effect.shape == (3, 4) and sweep.position_effect.shape[:2] == (3, 4)
    for head in every_head(model)[::3]:
        effect = ablate(model, CAT, head, draws=0)
        assert sweep.effect[head] == pytest.approx(effect.loss_change, abs=1e-5)
        np.testing.assert_allclose(
            sweep.position_effect[head], effect.position_loss_change, atol=1e-5
        )
    assert sweep.before == pytest.approx(np.nanmean(effect.losses_before), abs=1e-5)


@pytest.mark.parametrize("what", WHATS)
def test_however_many_rows_fit_the_figures_are_the_same(gpt2, monkeypatch, what):
    sweep, maps = ablation_sweep(gpt2, CAT), patch(gpt2, CLEAN, CORRUPT, 300, 301, what)
    monkeypatch.setattr(editing, "ROWS", 1)
    monkeypatch.setattr(editing, "LOGITS", 1)
    seen = []
    again = ablation_sweep(gpt2, CAT, progress=lambda share, words: seen.append(share))
    np.testing.assert_allclose(again.effect, sweep.effect, atol=1e-5)
    one_by_one = patch(gpt2, CLEAN, CORRUPT, 300, 301, what)
    np.testing.assert_allclose(one_by_one.patched, maps.patched, atol=1e-5)
    assert len(seen) == 12 and seen == sorted(seen) and seen[-1] == 1


def test_a_sweep_over_prompts_counts_where_there_is_something_to_know(gpt2):
    prompts = probes.repeats(gpt2, gpt2.start_token, "short")[:3]
    sweep = ablation_sweep(gpt2, prompts)
    change = []
    for prompt in prompts:
        tokens = gpt2.as_batch([prompt.tokens])
        edits = [Edit({}), Edit({2: (1,)})]
        rows = [
            editing.edited(gpt2.network, tokens, edit, editing.no_outputs(gpt2.network))
            for edit in edits
        ]
        before, after = (
            editing.token_losses(gpt2.network, row, prompt.tokens)[0, prompt.half :].mean()
            for row in rows
        )
        change.append(float(after - before))
    assert sweep.effect[2, 1] == pytest.approx(np.mean(change), abs=1e-5)
    assert sweep.position_effect is None and len(sweep.texts) == 3
    facts = probes.facts(gpt2, gpt2.start_token)[:2]
    assert np.isfinite(ablation_sweep(gpt2, facts, metric="log-probability").effect).all()


def test_the_control_is_drawn_from_the_same_layers(gpt2):
    every = ablate(gpt2, CAT, "L1.H2").control
    assert every.every and sorted(every.heads) == [(Head(1, h),) for h in (0, 1, 3)]
    sweep = ablation_sweep(gpt2, CAT)
    np.testing.assert_allclose(every.loss_change, sweep.effect[1, [0, 1, 3]], atol=1e-5)
    effect = ablate(gpt2, CAT, ["L0.H1", "L1.H2"], draws=5, seed=3)
    drawn = effect.control
    assert not drawn.every and len(set(drawn.heads)) == 5 and drawn.logprob_change.shape == (5, 1)
    for one, other in drawn.heads:
        assert one.layer == 0 and one.head != 1 and other.layer == 1 and other.head != 2
    assert ablate(gpt2, CAT, ["L0.H1", "L1.H2"], draws=5, seed=3).control.heads == drawn.heads
    less = np.abs(drawn.loss_change) < abs(effect.loss_change)
    assert effect.loss_beyond_control == less.mean()
    assert np.isnan(ablate(gpt2, CAT, "L1.H2", draws=0).loss_beyond_control)


def test_other_heads_are_scored_before_and_after(gpt2):
    effect = ablate(gpt2, CAT, ["L0.H0", "L0.H3"])
    reading = read_text(gpt2, CAT)
    for name, scores in reading.scores.items():
        np.testing.assert_allclose(effect.scores_before[name], scores, atol=1e-6)
    change = effect.score_changes["previous_token"]
    assert not change[0].any() and np.abs(change[1:]).max() > 1e-3


def test_a_mean_leaves_the_start_token_alone_and_keeps_a_constant_head(gpt2):
    """A head whose output never varies is its own mean."""
    network = random_network(gpt2.network.config)
    network.transformer.h[1].attn.c_attn.weight[:, 80:88] = 0  # W_V of L1.H2
    constant = replace(gpt2, network=network)
    assert ablate(constant, CAT, "L1.H2", "mean", LONG).loss_change == pytest.approx(0, abs=1e-5)
    assert abs(ablate(constant, CAT, "L1.H2", "zero").loss_change) > 1e-3
    reference = mean_reference(gpt2, [LONG, CAT])
    texts = [ablate(gpt2, text, draws=0).tokens for text in (LONG, CAT)]
    outputs = [editing.head_outputs(gpt2.network, torch.tensor([row]))[1] for row in texts]
    expected = torch.cat([output[:, 1:] for output in outputs], dim=1).mean(1)
    torch.testing.assert_close(reference.outputs[1][:, 0], expected, atol=1e-5, rtol=0)
    assert "2 reference texts" in reference.words
    effect = ablate(gpt2, CAT, "L1.H2", "mean", reference)
    assert effect.replaced_by == reference.words
    assert ablate(gpt2, CAT, "L1.H2", "mean").replaced_by.startswith("its mean over 20 sentences")


def test_its_value_on_the_same_text_changes_nothing_and_on_another_is_a_patch(gpt2):
    assert ablate(gpt2, CAT, "L1.H2", "text", CAT).loss_change == pytest.approx(0, abs=1e-6)
    maps = patch(gpt2, CLEAN, CORRUPT, 300, 301)
    effect = ablate(gpt2, CORRUPT, "L1.H2", "text", CLEAN, watch=[300, 301], draws=0)
    one, other = effect.logprobs_after
    assert one - other == pytest.approx(maps.patched[1, 2], abs=1e-4)
    longer = ablate(gpt2, CAT, "L1.H2", "text", LONG)
    assert longer.loss_change != 0 and repr(LONG) in longer.replaced_by
    same_so_far = ablate(gpt2, CAT, "L1.H2", "text", f"{CAT} big mat.")
    assert same_so_far.loss_change == pytest.approx(0, abs=1e-6)


def test_what_is_watched_is_read_where_it_is_asked(gpt2):
    effect = ablate(gpt2, CAT, "L1.H2", watch=[300, 301], position=4, top=3)
    with torch.inference_mode():
        logits = gpt2.network(torch.tensor([effect.tokens]), use_cache=False).logits[0, 4]
    logprobs = logits.log_softmax(-1)
    np.testing.assert_allclose(effect.logprobs_before, logprobs[[300, 301]], atol=1e-5)
    assert [best.token for best in effect.top_before] == logits.topk(3).indices.tolist()
    assert effect.top_before[0].probability == pytest.approx(logprobs.max().exp().item(), abs=1e-6)
    assert effect.logprob_change.shape == (2,) and effect.watched == (300, 301)
    by_default = ablate(gpt2, CAT, "L1.H2")
    assert by_default.watched == (by_default.top_before[0].token,)


def test_interventions_in_eight_threads_do_not_hear_each_other(gpt2):
    """All are held inside one pass at the same time before any goes on."""
    jobs = [
        lambda h=head: ablate(gpt2, CAT, Head(1, h), draws=0).losses_after[1:] for head in range(4)
    ]
    jobs += [
        lambda: ablation_sweep(gpt2, CAT).effect,
        lambda: patch(gpt2, CLEAN, CORRUPT, 300, 301).patched,
        lambda: patch(gpt2, CLEAN, CORRUPT, 300, 301, "residual").patched,
        lambda: attribute(gpt2, CAT, 300, 301).heads,
    ]
    serial = [job() for job in jobs]
    all_inside = threading.Barrier(len(jobs), timeout=60)
    held = threading.local()
    found, failures = {}, []

    def hold(module, arguments):
        if not getattr(held, "was", False):
            held.was = True
            all_inside.wait()

    def work(index):
        try:
            found[index] = jobs[index]()
        except BaseException as error:
            failures.append(error)

    hook = gpt2.network.transformer.h[1].register_forward_pre_hook(hold)
    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hook.remove()
    assert not failures
    for index, expected in enumerate(serial):
        np.testing.assert_allclose(found[index], expected, atol=1e-6)
    assert len({array.tobytes() for array in serial}) == len(jobs)


def test_nothing_is_left_behind_in_the_network(gpt2):
    tokens = ablate(gpt2, CAT, draws=0).tokens
    before = losses_of(gpt2.network, tokens)
    ablation_sweep(gpt2, CAT)
    patch(gpt2, CLEAN, CORRUPT, 300, 301, "value")
    assert np.array_equal(losses_of(gpt2.network, tokens), before)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda m: ablate(m, CAT, "L3.H0"), "has no head L3.H0: its layers run from 0 to 2"),
        (lambda m: ablate(m, CAT, ["L0.H4"]), "has no head L0.H4"),
        (lambda m: ablate(m, CAT, layers=[-1]), "has no head L-1.H0"),
        (lambda m: ablate(m, CAT, "head 3"), "no head: write a layer and a head in quotes"),
        (lambda m: ablate(m, CAT, [5.1]), "no head: write a layer"),
        (lambda m: ablate(m, CAT, "L0.H0", "nothing"), "Unknown mode 'nothing'"),
        (lambda m: ablate(m, CAT, "L0.H0", watch="zebra crossing"), "is .* tokens for tiny"),
        (lambda m: ablate(m, CAT, "L0.H0", watch="house"), "' house', with a space in front"),
        (lambda m: ablate(m, CAT, "L0.H0", watch=700), "700 is no token of tiny"),
        (lambda m: ablate(m, CAT, "L0.H0", position=99), "no position 99"),
        (lambda m: ablate(m, " ", "L0.H0"), "empty"),
        (lambda m: ablate(m, CAT, "L0.H0", "mean", "Too short."), "too few for a mean"),
        (lambda m: ablate(m, CAT, "L0.H0", "text", "Too short."), "needs its counterpart"),
        (
            lambda m: ablate(m, CAT, "L0.H0", "mean", mean_reference(m, LONG, None)),
            "another start-token policy",
        ),
        (lambda m: ablate(m, CAT, "L0.H0", "text"), "give that text as the reference"),
        (lambda m: ablation_sweep(m, []), "no text to remove heads on"),
        (lambda m: ablation_sweep(m, CAT, metric="log-probability"), "which one is watched"),
        (lambda m: ablation_sweep(m, CAT, metric="loses"), "Did you mean 'loss'"),
        (lambda m: patch(m, CLEAN, CAT, 300, 301), "patching goes position by position"),
        (lambda m: patch(m, CAT, f"{CAT} mat", 300, 301), "the beginning of the other"),
        (lambda m: patch(m, CLEAN, CORRUPT, 300), "which is the wrong one"),
        (lambda m: patch(m, CLEAN, CORRUPT, 300, 301, "query"), "Unknown thing to patch 'query'"),
        (lambda m: patch(m, CLEAN, CORRUPT, 300, 301, metric="loss"), "Unknown metric"),
        (lambda m: patch(m, CLEAN, CORRUPT, 300, 301, direction="up"), "Unknown direction"),
        (lambda m: patch(m, CLEAN, CORRUPT, "zebra crossing", 301), "is .* tokens for tiny"),
        (lambda m: attribute(m, CAT, 300, 301, removed="L9.H9"), "has no head L9.H9"),
    ],
)
def test_mistakes_get_one_sentence(gpt2, work, words):
    with pytest.raises(HeadlabError, match=words) as error:
        work(gpt2)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "work",
    [
        lambda m: ablate(m, CAT, "L0.H0"),
        lambda m: ablation_sweep(m, CAT),
        lambda m: mean_reference(m, LONG),
        lambda m: patch(m, CLEAN, CORRUPT, 300, 301),
        lambda m: attribute(m, CAT, 300, 301),
    ],
)
def test_a_model_that_can_only_be_read_says_so(work):
    with pytest.raises(HeadlabError, match="gpt_neo can be read but not changed"):
        work(tiny_model(configurations()["gpt_neo"]))


def test_a_model_that_normalises_after_each_block_has_no_parts():
    model = tiny_model(configurations()["opt, projected"])
    with pytest.raises(HeadlabError, match="normalises after each block"):
        attribute(model, CAT, 300, 301)


def test_moved_heads_are_the_other_heads_whose_scores_changed_largest_first(gpt2):
    effect = ablate(gpt2, CAT, ["L0.H0", "L1.H3"], draws=0)
    moved = effect.moved_heads(0.01)
    expected = {
        (f"L{layer}.H{head}", name): change[layer, head]
        for name, change in effect.score_changes.items()
        for layer, head in np.ndindex(3, 4)
        if abs(change[layer, head]) >= 0.01 and (layer, head) not in effect.heads
    }
    assert expected and dict(
        zip(zip(moved["head"], moved["behaviour"], strict=True), moved["change"], strict=True)
    ) == pytest.approx(expected)
    assert moved["change"].abs().is_monotonic_decreasing
    assert len(effect.moved_heads(2.0)) == 0


def test_the_effect_as_a_table_and_as_json(gpt2):
    effect = ablate(gpt2, CAT, "L1.H2", watch=[300, 301])
    table = effect.to_frame()
    assert table["token"].tolist() == list(effect.watched_texts)
    np.testing.assert_allclose(table["probability_after"], np.exp(effect.logprobs_after))
    assert set(table["loss_change"]) == {effect.loss_change}
    data = json.loads(json.dumps(effect.to_dict(), allow_nan=False))
    assert data["positions"][0]["loss before"] is None  # nothing predicts the first token
    assert data["control"]["loss_change"] == effect.control.loss_change.tolist()
    assert data["heads"] == ["L1.H2"] and data["model"] == gpt2.name


def test_a_sweep_as_a_table_begins_with_the_largest_effect_and_ends_with_the_unknown(gpt2):
    sweep = ablation_sweep(gpt2, CAT, layers=[2])
    table = sweep.to_frame()
    size = np.abs(sweep.effect[2])
    assert table["head"].tolist()[:4] == [f"L2.H{head}" for head in np.argsort(-size)]
    assert table["effect"].isna().sum() == 8
    data = json.loads(json.dumps(sweep.to_dict(), allow_nan=False))
    assert data["effect"][0] == [None] * 4 and data["effect"][2] == sweep.effect[2].tolist()


def test_heads_without_effect_pass_and_matter_less_than_half_of_all(gpt2):
    sweep = replace(ablation_sweep(gpt2, CAT), effect=np.arange(12.0).reshape(3, 4) - 6)
    passing = np.zeros((3, 4), bool)
    passing[0, 0] = passing[1, 1] = True  # effects of -6 and of -1; the median size is 3
    assert np.argwhere(sweep.without_effect(passing)).tolist() == [[1, 1]]


def test_self_repair_is_what_was_written_and_not_lost(gpt2):
    whole = attribute(gpt2, CAT, 300, 301)
    without = attribute(gpt2, CAT, 300, 301, removed=["L0.H1", "L1.H2"])
    found = whole.self_repair(without)
    wrote = whole.heads[0, 1, -1] + whole.heads[1, 2, -1]  # a removed head writes nothing
    assert found.wrote == pytest.approx(wrote)
    assert found.lost == pytest.approx(whole.difference[-1] - without.difference[-1])
    assert found.made_up == pytest.approx(found.wrote - found.lost)
    for head, more in found.helpers:
        assert head not in found.heads and more * found.wrote > 0
        assert more == pytest.approx(without.heads[head][-1] - whole.heads[head][-1])
    sizes = [abs(more) for _, more in found.helpers]
    assert len(sizes) <= 3 and sizes == sorted(sizes, reverse=True)
    assert whole.heads[1, 2].any()  # nothing was written to


@pytest.mark.parametrize(
    ("wrote", "lost", "shown"), [(1.0, 0.4, True), (1.0, 0.6, False), (0.05, 0.0, False)]
)
def test_self_repair_is_shown_where_half_of_something_is_made_up_for(wrote, lost, shown):
    assert SelfRepair((Head(0, 1),), wrote, lost, ()).is_shown is shown
