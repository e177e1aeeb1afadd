"""Edge attribution against autograd through the network's own modules, and against patching."""

import numpy as np
import pytest
import torch

from headlab import HeadlabError, attribute_edges, load_model, path_patch_map
from headlab.models.tokens import tokenise
from tests.models import gpt2_config, tiny_model

CLEAN, CORRUPT = "The cat sat on the mat. The cat", "The mat sat on the cat. The cat"


def plain(network, clean, corrupt, layer, head, cell, steps):
    """The same for a GPT-2, written down from its modules: [layer, head] through query and key."""
    blocks, n_heads = network.transformer.h, network.config.n_head
    outputs, streams = [{}, {}], []
    for side, tokens in enumerate((clean, corrupt)):
        handles = [
            block.attn.c_proj.register_forward_pre_hook(
                lambda module, given, at=at, side=side: outputs[side].update({at: given[0][0]})
            )
            for at, block in enumerate(blocks)
        ]
        with torch.no_grad():
            found = network(torch.tensor([tokens]), output_hidden_states=True)
        streams.append(found.hidden_states[layer][0])
        for handle in handles:
            handle.remove()
    block, width = blocks[layer], network.config.n_embd
    size, (q_at, k_at) = width // n_heads, cell
    of_head = slice(head * size, (head + 1) * size)
    through = []
    for which in range(2):
        total = torch.zeros_like(streams[0])
        for step in range(steps):
            share = step / steps
            x = ((1 - share) * streams[0] + share * streams[1]).requires_grad_()
            both = block.attn.c_attn(block.ln_1(x)).split(width, dim=-1)[:2]
            query, key = (part if i == which else part.detach() for i, part in enumerate(both))
            row = key[: q_at + 1, of_head] @ query[q_at, of_head] / size**0.5
            (gradient,) = torch.autograd.grad(row[k_at] - row.mean(), x)
            total += gradient / steps
        change = [outputs[1][at] - outputs[0][at] for at in range(layer)]
        scores = np.zeros((layer, n_heads))
        for at in range(layer):
            for h in range(n_heads):
                part = slice(h * size, (h + 1) * size)
                written = change[at][:, part] @ blocks[at].attn.c_proj.weight[part]
                scores[at, h] = float((written * total).sum())
        through.append(scores)
    return through


@pytest.mark.parametrize("steps", [1, 5])
def test_it_is_a_change_times_a_gradient(steps):
    model = tiny_model(gpt2_config(n_layer=4))
    found = attribute_edges(model, CLEAN, CORRUPT, "L3.H2", key=2, steps=steps)
    tokens = [tokenise(model, text, model.start_token)[0] for text in (CLEAN, CORRUPT)]
    cell = (len(tokens[0]) - 1, 2)
    ours = (found.through_query, found.through_key)
    for mine, theirs in zip(ours, plain(model.network, *tokens, 3, 2, cell, steps), strict=True):
        np.testing.assert_allclose(mine.reshape(3, 4), theirs, rtol=1e-3, atol=1e-6)
        assert np.abs(theirs).max() > 1e-3


def test_on_mini_it_names_the_head_that_patching_finds():
    model = load_model("mini")
    text = "The cat sat on the mat. The cat sat on the"
    other = text.replace("cat", "dog", 1)
    place = {"query": 9, "key": 3}
    guess = attribute_edges(model, text, other, "L3.H7", **place).to_frame()
    for into in ("query", "key"):
        patched = path_patch_map(model, text, other, "L3.H7", into, **place)
        mine = guess[guess["into"] == into].set_index("from")["guessed change"]
        exact = patched.to_frame().set_index("from")["score change"]
        assert np.corrcoef(mine[exact.index], exact)[0, 1] > 0.9
        assert exact.abs().idxmax() in mine.abs().nlargest(3).index


def test_nothing_changes_between_equal_texts():
    model = tiny_model()
    found = attribute_edges(model, CLEAN, CLEAN, "L2.H0", key=1)
    assert np.abs(found.through_query).max() == np.abs(found.through_key).max() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"receiver": "L0.H1", "key": 1}, "No head comes before L0.H1"),
        ({"receiver": "L2.H1", "key": 1, "steps": 0}, "too few"),
        ({"receiver": "L2.H1", "key": 7, "query": 3}, "looks at earlier tokens only"),
        ({"receiver": "L2.H1", "key": 1, "corrupt": "The cat"}, "tokens long"),
    ],
)
def test_what_cannot_be_asked_gets_a_sentence(options, words):
    asked = {"clean": CLEAN, "corrupt": CORRUPT} | options
    with pytest.raises(HeadlabError, match=words):
        attribute_edges(tiny_model(), asked.pop("clean"), asked.pop("corrupt"), **asked)
