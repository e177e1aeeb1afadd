"""What heads write: against dense matrices, the network's own modules, and the published steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from headlab import HeadlabError
from headlab.behaviours import Prompt, get_behaviour
from headlab.behaviours.base import ReadsAndWrites
from headlab.heads import Head
from headlab.measuring import probes
from headlab.measuring.scoring import Batch, LayerRun
from headlab.models.anatomy import anatomy, remember
from headlab.models.attention import Tap, run
from headlab.models.circuits import (
    eigenvalue_copying,
    ov_circuit,
    qk_circuit,
    written_tokens,
)
from headlab.models.logit_lens import names_written
from headlab.models.weights import head_weights
from headlab.profiles import probing
from tests.models import configurations, tiny_model
from tests.passes import counted

KINDS = list(configurations())
PLACES = {  # first norm of a layer, last norm
    "gpt2": ("transformer.h.{}.ln_1", "transformer.ln_f"),
    "gpt_neo": ("transformer.h.{}.ln_1", "transformer.ln_f"),
    "gpt_neox": ("gpt_neox.layers.{}.input_layernorm", "gpt_neox.final_layer_norm"),
    "opt": ("model.decoder.layers.{}.self_attn_layer_norm", "model.decoder.final_layer_norm"),
    "other": ("model.layers.{}.input_layernorm", "model.norm"),
}


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return tiny_model(configurations()[request.param])


class Parts:
    """The modules around the heads of a network, found by their names and used as they are."""

    def __init__(self, network):
        self.network = network
        self.kind = network.config.model_type
        self.first, self.last = PLACES.get(self.kind, PLACES["other"])
        self.afterwards = not getattr(network.config, "do_layer_norm_before", True)
        self.decoder = getattr(network.base_model, "decoder", None)

    def before(self, layer):
        if self.afterwards:
            return torch.nn.Identity()
        return self.network.get_submodule(self.first.format(layer))

    @property
    def after(self):
        return torch.nn.Identity() if self.afterwards else self.network.get_submodule(self.last)

    def embed(self):
        E = self.network.get_input_embeddings().weight
        project = getattr(self.decoder, "project_in", None)
        return E if project is None else project(E)

    def logits(self, states):
        project = getattr(self.decoder, "project_out", None)
        return self.network.get_output_embeddings()(states if project is None else project(states))

    def centres(self):
        return self.kind in ("gpt2", "gpt_neo", "gpt_neox", "opt") and not self.afterwards

    def residual_after_block_0(self, tokens):
        with torch.inference_mode():
            return self.network.base_model(
                tokens, output_hidden_states=True, use_cache=False
            ).hidden_states[1]


def dense_ov(model, layer, head):
    """vocabulary x vocabulary in float64, step by step."""
    parts = Parts(model.network)
    E = parts.embed().double()
    U = parts.logits(torch.eye(32)).double()  # [d_model, vocabulary]
    U = U - U.mean(1, keepdim=True)
    W = head_weights(model.network, layer)
    W_V, W_O = W.W_V[head].double(), W.W_O[head].double()
    if parts.centres():
        E = E - E.mean(1, keepdim=True)
        W_O = W_O - W_O.mean(1, keepdim=True)
    before = getattr(parts.before(layer), "weight", torch.ones(32)).double()
    after = getattr(parts.after, "weight", torch.ones(32)).double()
    return (E * before) @ W_V @ (W_O * after) @ U


def close(ours, theirs, to=1e-4):
    scale = np.abs(theirs).max()
    assert scale > 0
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=to)


def test_the_ov_circuit_equals_the_dense_matrix(model):
    for layer, head in ((0, 1), (2, 3)):
        dense = dense_ov(model, layer, head).numpy()
        circuit = ov_circuit(model, Head(layer, head))
        assert max(circuit.left.shape[1], circuit.right.shape[0]) <= 12
        close(np.stack([circuit.row(token) for token in range(0, 700, 50)]), dense[::50])


def test_eigenvalue_copying_equals_that_of_the_dense_matrix(model):
    """All 700 eigenvalues of the dense float64 matrix, most of them zero but for rounding."""
    ours = eigenvalue_copying(model)
    assert ours.shape == (3, 4)
    # one head of each kind of network; of the first kind one of every layer
    first = model.network.config.to_dict() == configurations()["gpt2"].to_dict()
    for layer, head in ((0, 0), (1, 2), (2, 3)) if first else ((2, 3),):
        values = np.linalg.eigvals(dense_ov(model, layer, head).numpy())
        rank = ov_circuit(model, Head(layer, head)).left.shape[1]
        values = sorted(values, key=abs)[-rank:]
        expected = np.sum(values).real / np.abs(values).sum()
        assert ours[layer, head] == pytest.approx(expected, abs=1e-6)
        close(np.sort(np.abs(ov_circuit(model, Head(layer, head)).eigenvalues())), np.abs(values))
    assert np.abs(ours).max() <= 1 and np.ptp(ours) > 0.1


def test_the_qk_circuit_equals_the_dense_matrix(model):
    parts, W = Parts(model.network), head_weights(model.network, 1)
    E = parts.embed().double()
    E = E - E.mean(1, keepdim=True) if parts.centres() else E
    E = E * getattr(parts.before(1), "weight", torch.ones(32)).double()
    dense = (E @ W.W_Q[2].double()) @ (E @ W.W_K[2].double()).T
    circuit = qk_circuit(model, Head(1, 2))
    close(np.stack([circuit.row(token) for token in (0, 5, 650)]), dense[[0, 5, 650]].numpy())


def published_copy_circuit(model, prompts, layer, head, sign, k=5):
    """`check_copy_circuit` of Wang et al. 2022 in plain torch: is each name in the top k?"""
    parts, W = Parts(model.network), head_weights(model.network, layer)
    right = []
    for prompt in prompts:
        z = parts.before(1)(parts.residual_after_block_0(torch.tensor([prompt.tokens])))[0]
        o = sign * ((z @ W.W_V[head] + W.b_V[head]) @ W.W_O[head])
        logits = parts.logits(parts.after(o))
        found = torch.topk(logits, k).indices
        right.append([prompt.tokens[place] in found[place] for place in prompt.names])
    return np.array(right)  # [prompt, name]


def helped(model, layers=(1, 2)):
    """The same with a head 1 that writes the names of two prompts, and a head 2 against them.

    Their W_O becomes the pseudo-inverse of the way to their values: a head has room for few names.
    """
    model = tiny_model(model.network.config, seed=1)
    parts = Parts(model.network)
    U = parts.logits(torch.eye(32))
    after = getattr(parts.after, "weight", torch.ones(32))
    for layer in layers:
        W = head_weights(model.network, layer)
        prompts = probes.names(model, 0)[:2]
        rows = torch.cat(
            [
                parts.before(1)(parts.residual_after_block_0(torch.tensor([p.tokens])))[0][
                    list(p.names)
                ]
                for p in prompts
            ]
        )
        own = torch.tensor([p.tokens[k] for p in prompts for k in p.names])
        for head, sign in ((1, 1), (2, -1)):
            v = rows @ W.W_V[head] + W.b_V[head]
            W.W_O[head].copy_(sign * torch.linalg.pinv(v) @ (U[:, own].T * after))
    return model


def test_name_scores_equal_the_published_procedure(model):
    with torch.no_grad():
        model = helped(model)
    prompts = probes.names(model, 0)
    measured = probing.measure(
        model,
        {"names": prompts},
        [get_behaviour("name_copying"), get_behaviour("name_suppression")],
    )
    for name, sign in (("name_copying", 1), ("name_suppression", -1)):
        score = measured[name]["names"].score
        assert np.isnan(score[:, 0]).all() and (measured[name]["names"].rows == 3).all()
        np.testing.assert_allclose(measured[name]["names"].chance[:, 1:], 5 / 700)
        for layer in (1, 2):
            for head in range(4):
                expected = published_copy_circuit(model, prompts, layer, head, sign).mean(-1)
                np.testing.assert_allclose(score[:, layer, head], expected, atol=1e-6)
        assert 0 < score[:, 1:].mean() < 1


def test_names_equal_the_published_procedure_among_more_tokens(model):
    """Among 100 of 700 tokens, where random heads write many names and miss many."""
    prompts = probes.names(model, 0)
    batch = Batch(prompts, [], model=model)
    tokens = model.as_batch([prompt.tokens for prompt in prompts])
    run(model.network, tokens, Tap(edit_residual=batch.edit_residual))
    residual, names = batch.names_read.residual, batch.names_read.names
    for layer in (1, 2):
        for hits, sign in zip(
            names_written(model.network, layer, residual, names, top=100), (1, -1), strict=True
        ):
            for head in range(4):
                expected = published_copy_circuit(model, prompts, layer, head, sign, k=100)
                assert (hits[:, head].numpy() == expected.ravel()).mean() == 1
            assert 0.02 < hits.float().mean() < 0.5


def test_the_residual_after_block_0_is_read_in_the_pass_itself(model):
    tokens = torch.randint(700, (2, 9), generator=torch.Generator().manual_seed(1))
    expected, seen = Parts(model.network).residual_after_block_0(tokens), {}
    tap = Tap(edit_residual=lambda layer, residual: seen.update({layer: residual.clone()}))
    with counted(model) as passes:
        assert run(model.network, tokens, tap) is not None
    torch.testing.assert_close(seen[1], expected)
    assert len(passes) == 1


def test_names_cost_no_pass_of_their_own():
    model = tiny_model()
    prompts, chosen = probes.names(model, 0)[:3], [get_behaviour("name_copying")]
    with counted(model) as passes:
        probing.measure(model, {"names": prompts}, chosen)
    assert len(passes) == 1


def test_a_name_is_looked_for_in_the_whole_vocabulary(monkeypatch):
    """Cut into small pieces, the vocabulary gives the same answer."""
    model = tiny_model()
    residual = torch.randn(50, 32, generator=torch.Generator().manual_seed(2))
    names = torch.arange(50) * 13
    at_once = names_written(model.network, 1, residual, names, top=100)
    monkeypatch.setattr("headlab.models.logit_lens.FIRST_COLUMNS", 7)
    monkeypatch.setattr("headlab.models.logit_lens.COLUMNS", 64)
    for ours, theirs in zip(
        names_written(model.network, 1, residual, names, top=100), at_once, strict=True
    ):
        assert torch.equal(ours, theirs) and ours.any() and not ours.all()


def test_written_tokens_are_what_the_head_adds_to_the_logits(model):
    """With the final norm's scale held, the logits with the head's output less those without."""
    parts, head = Parts(model.network), Head(1, 2)
    tokens = [0, 5, 300, 17, 420]
    values = {}
    run(
        model.network,
        torch.tensor([tokens]),
        Tap(read=lambda layer, pattern, value: values.update({layer: value[0].clone()})),
    )
    written = values[1][2, 3] @ head_weights(model.network, 1).W_O[2]
    if parts.centres():
        written = written - written.mean()
    logits = parts.logits(written * getattr(parts.after, "weight", torch.ones(32)))
    logits = (logits - logits.mean()).numpy()
    found = written_tokens(model, tokens, 3, head, top=4)
    close(np.array([much for _, much in found.raised]), np.sort(logits)[::-1][:4])
    close(np.array([much for _, much in found.lowered]), np.sort(logits)[:4])
    best = model.tokenizer.decode([int(logits.argmax())])
    assert found.raised[0][0] == best or "⟨" in found.raised[0][0]


def test_a_head_that_copies_every_token_raises_what_it_reads():
    """Weights made for it: the value is the token, the output its place in the unembedding."""
    model = tiny_model()
    network, d_head = model.network, 8
    tokens = [0, *range(300, 307)]
    values = {}
    run(
        network,
        torch.tensor([tokens]),
        Tap(read=lambda layer, pattern, value: values.update({layer: value[0].clone()})),
    )
    with torch.no_grad():
        # from the values at seven tokens to the columns of W_U that those tokens have
        wanted = network.lm_head.weight[tokens[1:]] / network.transformer.ln_f.weight
        for head, sign in ((1, 50), (2, -50)):
            W_O = sign * torch.linalg.pinv(values[2][head, 1:]) @ wanted
            network.transformer.h[2].attn.c_proj.weight[head * d_head : (head + 1) * d_head] = W_O
    prompt, other = Prompt(tuple(tokens)), Prompt((0, 5, 6))

    def found(places):
        """The shares of these places, gathered in one pass over both prompts."""
        batch, gathered = Batch([prompt, other], [], model=model), ReadsAndWrites(model, places)
        ids = model.as_batch([prompt.tokens, other.tokens])
        run(network, ids, Tap(lambda *layer: gathered.read(LayerRun(batch, *layer))))
        return gathered.shares()

    raised, lowered = found({id(prompt): range(1, 8)})
    assert raised.shape == lowered.shape == (3, 4)
    assert (raised[2, 1], lowered[2, 2]) == (1, 1) and (raised[2, 2], lowered[2, 1]) == (0, 0)
    part, _ = found({id(prompt): [1, 2], id(other): []})
    assert part[2, 1] == 1


def test_a_prompt_without_names_cannot_test_the_names():
    model = tiny_model()
    prompts = [probes.names(model, 0)[0], probes.repeats(model, 0)[0]]
    batch = Batch(prompts, [get_behaviour("name_copying")], model=model)
    found = {}
    run(
        model.network,
        model.as_batch([prompt.tokens for prompt in prompts]),
        Tap(
            read=lambda layer, pattern, value: found.update(
                {layer: batch.score_layer(layer, pattern, value).score["name_copying"]}
            ),
            edit_residual=batch.edit_residual,
        ),
    )
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1][0]).all() and np.isnan(found[1][1]).all()


@pytest.mark.parametrize("head", [Head(3, 0), Head(0, 4)])
def test_a_head_that_does_not_exist_gets_a_sentence(head):
    for call in (ov_circuit, qk_circuit, lambda m, h: written_tokens(m, [0, 1], 0, h)):
        with pytest.raises(HeadlabError, match=f"tiny has no head {head}"):
            call(tiny_model(), head)


def test_a_position_outside_the_text_gets_a_sentence():
    with pytest.raises(HeadlabError, match="no position 2: choose one from 0 to 1"):
        written_tokens(tiny_model(), [0, 1], 2, Head(0, 0))


def test_weights_that_cannot_be_read_get_a_sentence():
    model = tiny_model()
    remember(model.network, replace(anatomy(model.network), weights="a gate"))
    with pytest.raises(HeadlabError, match="cannot yet read the weights"):
        eigenvalue_copying(model)
