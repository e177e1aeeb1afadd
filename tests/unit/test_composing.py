"""How heads compose: against dense matrices, TransformerLens and first principles."""

import json
import warnings

import numpy as np
import pytest
import torch

from headlab import (
    Circuit,
    HeadlabError,
    ablate,
    cli,
    composition,
    explain_attention,
    load_model,
    path_patch,
    path_patch_map,
    read_text,
)
from headlab.interventions import with_word
from headlab.mechanisms import strongest_listeners, strongest_senders
from headlab.models.attention import Tap, run
from headlab.models.logit_lens import centred, read_through_norm
from headlab.models.weights import final_norm, head_weights
from tests.models import configurations, random_network, tiny_model

CLEAN = "The cat sat on the mat. The cat sat on the"
OTHER = "The dog ran on the rug. The cat sat on the"
KINDS = ["gpt2", "llama", "gpt_neox"]


def matrices(network, layer, head):
    """W_OV and W_QK of one head, d_model x d_model, norms folded in."""
    w, norm = head_weights(network, layer), read_through_norm(network, layer)
    W_OV = (norm @ w.W_V[head]) @ centred(w.W_O[head], final_norm(network))
    return W_OV, (norm @ w.W_Q[head]) @ (norm @ w.W_K[head]).T


def model_of(kind):
    model = tiny_model()
    if kind == "gpt2":
        return model
    from dataclasses import replace

    return replace(model, network=random_network(configurations()[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_dense_matrices(kind):
    model = model_of(kind)
    found = composition(model)
    with torch.inference_mode():
        for (a, i), (b, j) in (((0, 0), (1, 3)), ((1, 2), (2, 0)), ((0, 1), (2, 2))):
            OV, _ = matrices(model.network, a, i)
            later_OV, QK = matrices(model.network, b, j)
            for through, read in (("query", QK), ("key", QK.T), ("value", later_OV)):
                expected = (OV @ read).norm() / OV.norm() / read.norm()
                assert found.score[through][a, i, b, j] == pytest.approx(float(expected), abs=1e-5)


def test_scores_equal_transformer_lens():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affair
        from transformer_lens import FactoredMatrix
        from transformer_lens.utilities.matrix import composition_scores
    model = load_model("mini")
    found = composition(model)
    with torch.inference_mode():
        w = [head_weights(model.network, layer) for layer in (1, 4)]
        norms = [read_through_norm(model.network, layer) for layer in (1, 4)]
        W_O = [centred(each.W_O, final_norm(model.network)) for each in w]
        earlier = FactoredMatrix(norms[0] @ w[0].W_V, W_O[0])
        keys = FactoredMatrix(norms[1] @ w[1].W_K, (norms[1] @ w[1].W_Q).mT)
        theirs = composition_scores(earlier, keys, broadcast_dims=True)
    np.testing.assert_allclose(found.score["key"][1, :, 4], theirs.numpy(), atol=1e-5)


def test_the_null_is_that_of_random_heads_with_the_same_singular_values():
    """Drawn in full: random orthonormal factors around the singular values of the earlier head."""
    model = tiny_model()
    found = composition(model)
    generator = torch.Generator().manual_seed(9)
    with torch.inference_mode():
        OV, _ = matrices(model.network, 0, 1)
        _, QK = matrices(model.network, 2, 3)
        singular = torch.linalg.svdvals(OV)
        drawn = []
        for _ in range(400):
            left, right = (
                torch.linalg.qr(torch.randn(*OV.shape, generator=generator)).Q for _ in range(2)
            )
            random = left * singular @ right.T
            drawn.append(float((random @ QK).norm() / random.norm() / QK.norm()))
    excess = (found.score["query"][0, 1, 2, 3] - np.mean(drawn)) / np.std(drawn)
    assert found.excess["query"][0, 1, 2, 3] == pytest.approx(excess, abs=1.2)


def test_only_later_heads_can_read():
    found = composition(tiny_model())
    for array in (*found.score.values(), *found.excess.values()):
        for a in range(3):
            for b in range(3):
                assert np.isnan(array[a, :, b]).all() == (a >= b)
    assert len(found.to_frame()) == 3 * 3 * 16
    assert list(found.into("2.1", "key").columns) == ["head", "score", "excess"]
    assert len(found.into((2, 1))) == 8 and len(found.out_of("L1.H0", "value")) == 4
    json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(HeadlabError, match=r"has no head L9\.H9"):
        found.into("L9.H9")


def by_hand(model, clean, corrupt, sender, receiver, into):
    """Pattern of the receiver and last hidden state, the path patched by running layers apart."""
    ids = model.as_batch([read_text(model, text).tokens for text in (clean, corrupt)])
    outputs, network = {}, model.network

    def keep(layer, output):
        outputs[layer] = output.clone()

    run(network, ids, Tap(edit_output=keep))
    clean_out, other = outputs[sender[0]][:, sender[1]]
    with torch.inference_mode():
        delta = (other - clean_out) @ head_weights(network, sender[0]).W_O[sender[1]]

    def change(layer, residual):
        return residual + delta if layer == receiver[0] else None

    seen = {}

    def look(name):
        def keep_inputs(layer, inputs):
            if layer == receiver[0]:
                seen[name] = inputs

        return keep_inputs

    run(network, ids[:1], Tap(read_inputs=look("clean")))
    run(network, ids[:1], Tap(edit_residual=change, read_inputs=look("patched")))
    parts = {
        name: getattr(seen["patched" if name == into else "clean"], name)[0, receiver[1]]
        for name in ("query", "key", "value")
    }
    scores = parts["query"] @ parts["key"].T * seen["clean"].scaling
    n = len(scores)
    pattern = scores.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf).softmax(-1)

    def put(layer, output):
        if layer == receiver[0]:
            output = output.clone()
            output[0, receiver[1]] = pattern @ parts["value"]
            return output
        return None

    hidden = run(network, ids[:1], Tap(edit_output=put))
    return pattern, hidden[0, -1]


@pytest.mark.parametrize("into", ["query", "key", "value"])
def test_a_patched_path_equals_one_made_by_hand(into):
    model = load_model("mini")
    found = path_patch_map(
        model, CLEAN, OTHER, "L3.H5", into, query=9, key=3, answer=" cat", wrong=" mat"
    )
    assert len(found.senders) == 36
    names = [str(head) for head in found.senders]
    U = model.network.get_output_embeddings().weight
    ids = [model.tokenizer.encode(word)[-1] for word in (" cat", " mat")]
    for sender in ((0, 0), (2, 7)):
        pattern, hidden = by_hand(model, CLEAN, OTHER, sender, (3, 5), into)
        at = names.index(f"L{sender[0]}.H{sender[1]}")
        assert found.attention[at] == pytest.approx(float(pattern[9, 3]), abs=1e-5)
        with torch.inference_mode():
            difference = float(hidden @ U[ids[0]] - hidden @ U[ids[1]])
        assert found.logits[at] == pytest.approx(difference, abs=1e-3)
        one = path_patch(model, CLEAN, OTHER, sender, (3, 5), into, query=9, key=3)
        assert one.attention[0] == pytest.approx(found.attention[at], abs=1e-6)


def test_a_path_from_the_same_text_changes_nothing():
    found = path_patch_map(load_model("mini"), CLEAN, CLEAN, "L3.H5", "key", query=9, key=3)
    assert np.abs(found.change).max() < 1e-6 and np.isnan(found.logit_change).all()
    reading = read_text(load_model("mini"), CLEAN)
    assert found.before == pytest.approx(reading.pattern(3, 5)[9, 3], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"receiver": "L0.H0"}, "No head comes before L0.H0"),
        ({"corrupt": "The cat"}, "tokens long"),
        ({"key": 11, "query": 3}, "comes after"),
        ({"into": "output"}, "output"),
        ({"answer": " cat"}, "give both answer and wrong"),
        ({"senders": ["L3.H0"]}, "L3.H0 is not in an earlier layer"),
    ],
)
def test_what_cannot_be_patched_gets_a_sentence(changes, words):
    asked = {"clean": CLEAN, "corrupt": OTHER, "receiver": "L3.H5", "into": "query", "key": 3}
    with pytest.raises(HeadlabError, match=words):
        path_patch_map(load_model("mini"), **(asked | changes))


def test_the_command_line_says_the_same(capsys):
    assert cli.main(["composition", "--into", "5.10", "--through", "key", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["pairs"]
    expected = composition(load_model("mini")).into("L5.H10", "key")
    assert [row["head"] for row in shown] == expected["head"][:15].tolist()
    words = ["--clean", CLEAN, "--corrupt", OTHER, "--receiver", "L3.H5", "--key", "3"]
    assert cli.main(["path-patch", *words, "--query", "9"]) == 0
    assert "L3.H5 from ' cat' to ' sat': attention" in capsys.readouterr().out


HERE, THERE = (
    "The cat sat on the cat. The cat sat on the",
    "The sat cat on on sat. The cat sat on the",
)
INDUCTION = ("The cat sat on the mat. The cat sat on the", 5, "dog", "L3.H7", 12, 6)


def test_mini_s_induction_head_is_told_by_its_previous_token_head():
    """The two-step circuit: L0.H0 tells the keys of L3.H7 what stood before, and they suffice."""
    model = load_model("mini")
    text, at, word, head, query, key = INDUCTION
    other = with_word(model, text, at, word)
    edges = strongest_senders(model, text, other, head, query=query, key=key)
    assert (str(edges[0].sender), edges[0].into) == ("L0.H0", "key") and edges[0].counts
    assert edges[0].change < min(edges[0].controls) and edges[0].attention < 0.01
    assert len(edges) == 12 and len(edges[0].controls) == 20
    same = strongest_senders(model, text, other, head, query=query, key=key, mlps=False)
    assert abs(same[0].change) < 1  # what it writes itself is little: an MLP passes it on
    kept = Circuit([edges[0].sender, head])
    alone = kept.faithfulness(
        model, text, head=head, query=query, key=key, mode="text", reference=other
    )
    assert alone.score > 0.9 and alone.left < 0.1 and alone.beyond_random == 1
    assert len(alone.random_scores) == 20


def through_mlps(model, clean, corrupt, sender, receiver, into, cell):
    """The receiver's attention, every other head held while the MLPs go on; rows run alone."""
    ids = model.as_batch([read_text(model, text).tokens for text in (clean, corrupt)])
    network, outputs, seen = model.network, {}, {}
    run(network, ids, Tap(edit_output=lambda layer, out: outputs.update({layer: out.clone()})))

    def hold(layer, output):
        if layer >= receiver[0]:
            return None
        output = outputs[layer][:1].clone()
        if layer == sender[0]:
            output[0, sender[1]] = outputs[layer][1, sender[1]]
        return output

    for name, tap in (("clean", {}), ("patched", {"edit_output": hold})):

        def look(layer, inputs, name=name):
            if layer == receiver[0]:
                seen[name] = inputs

        run(network, ids[:1], Tap(read_inputs=look, **tap))
    query, key = (
        getattr(seen["patched" if name == into else "clean"], name)[0, receiver[1]]
        for name in ("query", "key")
    )
    scores = query @ key.T * seen["clean"].scaling
    n = len(scores)
    pattern = scores.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf).softmax(-1)
    return float(pattern[cell])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("into", ["query", "key"])
def test_paths_through_mlps_equal_a_pass_with_every_other_head_held(kind, into):
    model = model_of(kind)
    cell = (len(read_text(model, HERE).tokens) - 1, 3)
    found = path_patch(
        model, HERE, THERE, (0, 1), (2, 2), into, query=cell[0], key=cell[1], mlps=True
    )
    expected = through_mlps(model, HERE, THERE, (0, 1), (2, 2), into, cell)
    assert found.attention[0] == pytest.approx(expected, abs=1e-5)
    assert found.attention[0] != found.before


def test_random_messages_are_as_large_and_there_are_none_between_identical_texts():
    model = tiny_model()
    found = path_patch_map(model, HERE, THERE, (2, 1), "key", key=3, draws=7, mlps=True)
    assert found.control.shape == found.control_score.shape == (8, 7)
    assert np.isfinite(found.beyond_control).all() and found.control.std(1).min() > 0
    again = path_patch_map(model, HERE, THERE, (2, 1), "key", key=3, draws=7, mlps=True)
    np.testing.assert_array_equal(found.control, again.control)
    same = path_patch_map(model, HERE, HERE, (2, 1), "key", key=3, mlps=True)
    np.testing.assert_allclose(same.score_change, 0, atol=1e-5)
    assert np.isnan(same.beyond_control).all()
    assert strongest_senders(model, HERE, HERE, (2, 1), key=3, mlps=False) == ()


def test_the_score_is_that_of_the_explanation():
    model = tiny_model()
    found = path_patch_map(model, HERE, THERE, (2, 1), "key", query=9, key=3)
    why = explain_attention(model, HERE, (2, 1), 9, 3)
    assert found.score_before == pytest.approx(why.contrast, abs=1e-5)
    assert found.before == pytest.approx(why.attention, abs=1e-6)


def test_a_circuit_of_all_heads_is_faithful_and_of_none_is_not():
    model = tiny_model()
    every = Circuit([(layer, head) for layer in range(3) for head in range(4)])
    whole = every.faithfulness(model, HERE, answer=" sat")
    assert whole.score == pytest.approx(1) and whole.left == pytest.approx(0)
    assert "too few" in whole.no_random and np.isnan(whole.beyond_random)
    none = Circuit([]).faithfulness(model, HERE, answer=" sat")
    assert none.score == pytest.approx(0) and none.left == pytest.approx(1)


@pytest.mark.parametrize("mode", ["zero", "text"])
def test_what_is_left_equals_removing_all_other_heads(mode):
    model = tiny_model()
    kept = [(0, 1), (1, 2), (2, 0)]
    reference = THERE if mode == "text" else None
    others = [(i, h) for i in range(3) for h in range(4) if (i, h) not in kept]
    found = Circuit(kept).faithfulness(
        model, HERE, answer=" sat", mode=mode, reference=reference, draws=5
    )
    for value, gone in ((found.alone, others), (found.without, kept)):
        removed = ablate(model, HERE, gone, mode, reference, watch=" sat", draws=0)
        assert value == pytest.approx(removed.logprobs_after[0], abs=1e-5)
    looks = Circuit(kept).faithfulness(
        model, HERE, head=(2, 1), key=3, mode=mode, reference=reference, draws=5
    )
    assert looks.whole == pytest.approx(read_text(model, HERE).pattern(2, 1)[-1, 3], abs=1e-6)
    json.dumps(looks.to_dict(), allow_nan=False)


def test_a_circuit_that_is_asked_for_nothing_or_for_two_things_gets_a_sentence():
    model = tiny_model()
    for asked, words in (
        ({}, "what the circuit is to do"),
        ({"key": 1, "answer": " mat"}, "what the circuit is to do"),
        ({"key": 1}, "Give the head"),
    ):
        with pytest.raises(HeadlabError, match=words):
            Circuit(["L0.H0"]).faithfulness(model, HERE, **asked)
    with pytest.raises(HeadlabError, match="has no head"):
        Circuit(["L9.H0"]).faithfulness(model, HERE, answer=" mat")
    flat = Circuit(["L0.H0"]).faithfulness(model, HERE, head=(0, 2), key=1)
    assert np.isnan(flat.score)  # no head comes before the first layer: nothing to carry


def test_circuit_on_the_command_line(capsys):
    text, *_, head, _, key = INDUCTION
    assert (
        cli.main(
            [
                "circuit",
                "--heads",
                "L0.H0",
                head,
                "--text",
                text,
                "--head",
                head,
                "--key",
                str(key),
                "--mode",
                "text",
                "--reference",
                text.replace("the mat", "dog mat"),
                "--json",
            ]
        )
        == 0
    )
    data = json.loads(capsys.readouterr().out)
    assert data["heads"] == ["L0.H0", "L3.H7"] and data["faithfulness"] > 0.9
    assert cli.main(["circuit", "--heads", "L0.H0", "--text", text, "--answer", " mat"]) == 0
    assert "random sets carry" in capsys.readouterr().out


def test_a_listener_looks_as_path_patching_says():
    model = load_model("mini")
    other = with_word(model, CLEAN, 5, "dog")
    found = strongest_listeners(model, CLEAN, other, "L0.H0", draws=5)
    assert len(found) == 2 * 11 * 12 and found[0].moved == max(each.moved for each in found)
    for each in (*found[:4], found[-1]):
        patched = path_patch_map(
            model, CLEAN, other, each.receiver, each.into, query=each.query, key=each.key,
            senders=["L0.H0"], mlps=True,
        )  # fmt: skip
        assert each.after == pytest.approx(float(patched.attention[0]), abs=1e-5)
        assert each.before == pytest.approx(patched.before, abs=1e-5)
        assert abs(each.after - each.before) <= 2 * each.moved + 1e-6
    again = strongest_listeners(model, CLEAN, other, "L0.H0", draws=5)
    np.testing.assert_array_equal(again[0].controls, found[0].controls)


def test_who_sends_the_same_is_heard_by_nobody():
    model = load_model("mini")
    same = strongest_listeners(model, CLEAN, CLEAN, "L0.H0", draws=2)
    assert max(each.moved for each in same) < 1e-6 and not any(each.counts for each in same)
    with pytest.raises(HeadlabError, match="No head comes after"):
        strongest_listeners(model, CLEAN, CLEAN, "L11.H0")
