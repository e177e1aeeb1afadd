"""How heads compose: against dense matrices, TransformerLens and first principles."""

import json
import warnings

import numpy as np
import pytest
import torch

from headlab import (
    HeadlabError,
    cli,
    composition,
    load_model,
    path_patch,
    path_patch_map,
    read_text,
)
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
