"""What `mini` can do while it is being trained: a few figures that are quick to measure.

`judge_mini.py` measures the finished model with headlab itself.
"""

from __future__ import annotations

import random

import mini_english as english
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

START = 0  # the id of <|endoftext|>, first in every window
FIRST_ORDINARY = 257  # ids 1 to 256 are single bytes
VOCABULARY = 4096

# Ordinary sentences, in no training text, for resting heads and previous-token heads.
SENTENCES = [
    " ".join(lines.split())
    for lines in """
The old man walked slowly down the road, and nobody knew where he was going or why he had left
so early.

After the rain stopped, the children ran out into the garden to look for the little frog under
the leaves.

My sister bought a new coat last winter, but she never wears it because the sleeves are much too
long.

There was a small house at the edge of the forest, and in the house lived a woman who told
strange stories.

The train was late again, so we sat on the bench and talked about the days when we were young.

If you want to bake good bread you need flour, water, salt and a great deal of time and
patience.

The teacher opened the window, looked at the sky, and said that it would soon be dark over the
hills.

Nobody in the village had ever seen such a large fish, and so they all came to the river to look
at it.

He put the letter back on the table without reading it, for he knew very well what it would say.

When the clock struck twelve the soldiers woke up, took their swords, and marched out of the
castle.

Some birds fly south in autumn, while others stay near the farms and live on what they find in
the snow.

She laughed at first, then she saw that the boy was crying, and she gave him her hand and took
him home.
""".split("\n\n")
]


@torch.no_grad()
def patterns_of(model: GPT2LMHeadModel, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Attention [layer, window, head, query, key] and logits [window, position, vocabulary]."""
    model.set_attn_implementation("eager")
    output = model(ids.to(model.device), output_attentions=True)
    model.set_attn_implementation("sdpa")
    return torch.stack(output.attentions).float().cpu(), output.logits.float().cpu()


def mean_on(patterns: Tensor, targets: Tensor) -> Tensor:
    """[layer, head] mean attention on targets [window, query, key], over rows that have any."""
    eligible = targets.any(-1).float()
    on_target = (patterns * targets[None, :, None]).sum(-1)
    return (on_target * eligible[None, :, None]).sum((1, 3)) / eligible.sum()


def repeat_scores(
    model: GPT2LMHeadModel, pool: Tensor, period: int, seed: int = 1
) -> dict[str, Tensor]:
    """[layer, head] scores of three behaviours on start + x + x, x of distinct random tokens."""
    rng = torch.Generator().manual_seed(seed)
    windows = 24
    x = pool[torch.rand(windows, len(pool), generator=rng).topk(period, dim=1).indices]
    ids = torch.cat([torch.full((windows, 1), START), x, x], 1)
    patterns, _ = patterns_of(model, ids)
    earlier = torch.ones(ids.shape[1], ids.shape[1]).tril(-1)
    same = (ids[:, :, None] == ids[:, None, :]).float() * earlier
    after_same = torch.zeros_like(same)
    after_same[:, :, 1:] = same[:, :, :-1]
    return {
        "induction": mean_on(patterns, after_same * earlier),
        "duplicate_token": mean_on(patterns, same),
        "previous_token": patterns.diagonal(-1, 3, 4)[..., 1:].mean((1, 3)),
    }


def most_alike(patterns: Tensor) -> Tensor:
    """[layer] least correlation between two heads of a layer: near 1, all are alike."""
    n = patterns.shape[-1]
    rows, columns = torch.tril_indices(n, n)
    cells = patterns[..., rows, columns].flatten(1, 1)
    least = [
        torch.stack([torch.corrcoef(heads) for heads in layer]).mean(0).min() for layer in cells
    ]
    return torch.stack(least)


def measure(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, seed: int = 1, examples: int = 50
) -> dict[str, float]:
    """The figures the model is trained for, on texts it has not seen."""
    model.eval()
    rng = random.Random(seed)
    figures: dict[str, float] = {}

    random_scores = repeat_scores(model, torch.arange(FIRST_ORDINARY, VOCABULARY), 35, seed)
    induction = random_scores["induction"]
    figures["induction best"] = induction.max().item()
    figures["induction heads"] = (induction >= 0.6).sum().item()
    figures["induction layers"] = (induction >= 0.6).any(1).sum().item()
    figures["duplicate best"] = random_scores["duplicate_token"].max().item()

    first = torch.zeros(model.config.n_layer, model.config.n_head)
    previous = torch.zeros_like(first)
    alike = torch.zeros(model.config.n_layer)
    for sentence in SENTENCES:
        ids = torch.tensor([[START, *tokenizer(sentence).input_ids]])
        patterns, _ = patterns_of(model, ids)
        first += patterns[..., 2:, 0].mean((1, 3)) / len(SENTENCES)
        previous += patterns.diagonal(-1, 3, 4)[..., 1:].mean((1, 3)) / len(SENTENCES)
        alike += most_alike(patterns) / len(SENTENCES)
    both = torch.minimum(previous, random_scores["previous_token"])
    figures["previous second best"] = both.flatten().topk(2).values[1].item()
    figures["previous best"] = both.max().item()
    figures["first-token heads"] = (first > 0.5).sum().item()
    figures["most alike layer"] = alike.max().item()

    found = torch.zeros_like(first)
    right = 0
    for _ in range(examples):
        prompt, answer = english.facts_example(rng, heldout=True)
        ids = torch.tensor([[START, *tokenizer(prompt).input_ids]])
        target = tokenizer(answer).input_ids[0]
        patterns, logits = patterns_of(model, ids)
        found += (patterns[:, 0, :, -1] * (ids[0] == target)).sum(-1) / examples
        right += int(logits[0, -1].argmax() == target)
    figures["facts"] = right / examples
    figures["attribute heads"] = (found >= 0.5).sum().item()
    figures["attribute best"] = found.max().item()

    right = 0
    for _ in range(examples):
        prompt, answer = english.ioi_example(rng, heldout=True)
        ids = torch.tensor([[START, *tokenizer(prompt).input_ids]])
        _, logits = patterns_of(model, ids)
        right += int(logits[0, -1].argmax() == tokenizer(answer).input_ids[0])
    figures["indirect objects"] = right / examples
    tokens = sum(len(tokenizer(sentence).input_ids) for sentence in SENTENCES)
    figures["tokens a word"] = tokens / sum(len(sentence.split()) for sentence in SENTENCES)
    model.train()
    return figures
