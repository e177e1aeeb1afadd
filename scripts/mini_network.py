"""The network of `mini` as it is trained: GPT-2 written out, how it begins, and how it steps.

The parameters are those of transformers' own `GPT2LMHeadModel`, so what is trained here opens
there; `hidden_states` computes the same faster, and can silence whole heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

VOCABULARY = 4096
CONTEXT = 128
WIDTH = 192
INNER = 640  # of the MLPs: a little narrower than GPT-2's 4 x WIDTH, so that 12 MB are enough
HEADS = 12
START = 0
LEAN = 1.5  # size of the weights that let a head start with a lean
PREVIOUS = [(0, 0), (0, 5), (0, 11), (1, 4), (1, 9)]  # layer, head: lean to the token before
EARLIER_COPY = [(0, 3), (1, 2), (1, 7), (2, 5)]  # lean to the same token, but not to themselves
CONTRARY = [(7, 2), (8, 8), (9, 2), (9, 8), (10, 5)]  # start by writing against what they read


def new_model(seed: int, leans: bool = True) -> GPT2LMHeadModel:
    """A GPT-2 of random weights; where positions start, and which heads start with a lean.

    Positions start as sine waves, so that a step to the left looks alike everywhere. From layer 1
    on queries and keys start equal, so that like looks at like; from layer 2 on heads start by
    writing a little of what they read (after Trockman and Kolter 2023), a few of them its contrary.
    """
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_inner=INNER,
        n_layer=12,
        n_head=HEADS,
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=START,
        eos_token_id=START,
    )
    model = GPT2LMHeadModel(config)
    half, size = WIDTH // 2, WIDTH // HEADS
    frequency = 2.5 * torch.exp(-math.log(2.5 * CONTEXT) * torch.arange(half) / half)
    angle = torch.arange(CONTEXT, dtype=torch.float32)[:, None] * frequency
    with torch.no_grad():
        # tokens start twice as large as GPT-2's, so that they are told apart sooner
        model.transformer.wte.weight.mul_(2)
        model.transformer.wpe.weight.copy_(0.06 * torch.cat([angle.sin(), angle.cos()], dim=1))
        for layer, block in enumerate(model.transformer.h):
            weight = block.attn.c_attn.weight
            if layer >= 1:
                weight[:, WIDTH : 2 * WIDTH] = weight[:, :WIDTH].normal_(std=0.05)
            if layer >= 2 and leans:
                value = weight[:, 2 * WIDTH :].normal_(std=0.05)
                for head in range(HEADS):
                    sign = -1.0 if (layer, head) in CONTRARY else 1.0
                    mine = slice(head * size, (head + 1) * size)
                    block.attn.c_proj.weight[mine] = 0.2 * sign * value[:, mine].T
        if leans:
            for number, (layer, head) in enumerate(PREVIOUS):
                lean_on_previous(model, frequency, layer, head, number)
            for layer, head in EARLIER_COPY:
                lean_on_copies(model, frequency, layer, head)
    return model


def head_columns(model: GPT2LMHeadModel, layer: int, head: int) -> tuple[Tensor, Tensor]:
    """Query and key matrix of a head, [width, size], to be written to."""
    weight, size = model.transformer.h[layer].attn.c_attn.weight, WIDTH // HEADS
    query, key = weight[:, :WIDTH], weight[:, WIDTH : 2 * WIDTH]
    return query[:, head * size : (head + 1) * size], key[:, head * size : (head + 1) * size]


def lean_on_previous(
    model: GPT2LMHeadModel, frequency: Tensor, layer: int, head: int, number: int
) -> None:
    """Let a head start with a lean towards the token before.

    It reads eight of the sine waves of the positions; the query turns them by one step, so that
    they agree with those of the key one place back.
    """
    query, key = (matrix.zero_() for matrix in head_columns(model, layer, head))
    for pair, wave in enumerate((0, 6, 12, 18, 25, 33, 42, 52)):
        sine, cosine = wave + number, wave + number + WIDTH // 2
        turn = frequency[wave + number]
        # sin(x - w) and cos(x - w) from sin x and cos x
        key[sine, 2 * pair] = key[cosine, 2 * pair + 1] = LEAN
        query[sine, 2 * pair] = query[cosine, 2 * pair + 1] = LEAN * turn.cos()
        query[cosine, 2 * pair] = -LEAN * turn.sin()
        query[sine, 2 * pair + 1] = LEAN * turn.sin()


def lean_on_copies(model: GPT2LMHeadModel, frequency: Tensor, layer: int, head: int) -> None:
    """Let a head start with a lean towards earlier copies of the token, away from itself.

    Twelve dimensions compare tokens; in four, two quick sine waves meet with the opposite sign,
    so that the place itself and its like are shunned.
    """
    query, key = head_columns(model, layer, head)
    query.zero_()
    query[:, :12].normal_(std=0.14)
    key.copy_(query)
    for pair, wave in enumerate((0, 10)):
        for part, row in enumerate((wave + head, wave + head + WIDTH // 2)):
            key[row, 12 + 2 * pair + part] = 2.5
            query[row, 12 + 2 * pair + part] = -2.5


def block(
    x: Tensor, keep: Tensor | None, p: tuple[Tensor, ...], heads: int, epsilon: float
) -> Tensor:
    """One layer of GPT-2 on [window, place, width]; `keep` [window, head] scales its heads."""
    n1w, n1b, aw, ab, ow, ob, n2w, n2b, fw, fb, gw, gb = p
    windows, length, width = x.shape
    normed = F.layer_norm(x, (width,), n1w, n1b, epsilon)
    q, k, v = F.linear(normed, aw.T, ab).view(windows, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    read = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if keep is not None:
        read = read * keep[:, :, None, None].to(read.dtype)
    x = x + F.linear(read.transpose(1, 2).reshape(windows, length, width), ow.T, ob)
    normed = F.layer_norm(x, (width,), n2w, n2b, epsilon)
    inner = F.gelu(F.linear(normed, fw.T, fb), approximate="tanh")
    return x + F.linear(inner, gw.T, gb)


def parameters_of(layer: Any) -> tuple[Tensor, ...]:
    """The parameters of a GPT-2 block in the order in which `block` takes them."""
    modules = (layer.ln_1, layer.attn.c_attn, layer.attn.c_proj)
    modules += (layer.ln_2, layer.mlp.c_fc, layer.mlp.c_proj)
    return tuple(tensor for module in modules for tensor in (module.weight, module.bias))


def hidden_states(
    model: GPT2LMHeadModel,
    ids: Tensor,
    keep: Tensor | None = None,
    run_block: Callable[..., Tensor] = block,
) -> Tensor:
    """The residual stream before the last norm, [window, place, width].

    `keep` [layer, window, head] scales what every head writes: 0 silences it.
    """
    body = model.transformer
    x = F.embedding(ids, body.wte.weight) + body.wpe.weight[: ids.shape[1]]
    for number, layer in enumerate(body.h):
        kept = None if keep is None else keep[number]
        x = run_block(
            x, kept, parameters_of(layer), model.config.n_head, model.config.layer_norm_epsilon
        )
    return x


def weighted_loss(
    x: Tensor, norm: tuple[Tensor, Tensor], embedding: Tensor, wanted: Tensor, weights: Tensor
) -> Tensor:
    """Mean cross entropy of the tokens that weigh, from the residual stream."""
    normed = F.layer_norm(x, (x.shape[-1],), *norm)
    logits = F.linear(normed, embedding).float()
    losses = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


class Computing:
    """How a loss is computed on this machine: compiled and in bfloat16 where that works."""

    def __init__(self, device: torch.device, compiled: bool) -> None:
        self.mixed = device.type == "cuda"
        self.device = device
        self.block: Callable[..., Tensor] = block
        self.loss_of: Callable[..., Tensor] = weighted_loss
        if compiled:
            self.block = torch.compile(block, dynamic=False)
            self.loss_of = torch.compile(weighted_loss, dynamic=False)

    def loss(
        self, model: GPT2LMHeadModel, ids: Tensor, weights: Tensor, keep: Tensor | None
    ) -> Tensor:
        """Mean cross entropy of windows [window, length], every token from those before it."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            x = hidden_states(model, ids[:, :-1], keep, self.block)
            last = model.transformer.ln_f
            return self.loss_of(
                x,
                (last.weight, last.bias),
                model.transformer.wte.weight,
                ids[:, 1:].contiguous(),
                weights[:, 1:].contiguous(),
            )


def computing_for(
    model: GPT2LMHeadModel,
    device: torch.device,
    ids: Tensor,
    weights: Tensor,
    keep: Tensor | None,
    compiled: bool = True,
) -> tuple[Computing, str]:
    """The compiled way if it gives the same loss and gradient as the plain one; and which it is."""
    plain = Computing(device, compiled=False)
    if not compiled:
        return plain, "not compiled"
    try:
        expected = gradient_of(plain, model, ids, weights, keep)
        fast = Computing(device, compiled=True)
        found = gradient_of(fast, model, ids, weights, keep)
        apart = ((found - expected).norm() / expected.norm()).item()
    except Exception as error:  # whatever the compiler says, training goes on without it
        model.zero_grad(set_to_none=True)
        return plain, f"not compiled: {type(error).__name__}: {str(error)[:200]}"
    if not apart < 0.2:  # bfloat16 alone makes a few hundredths
        return plain, f"not compiled: its gradient is {apart:.3f} apart"
    return fast, f"compiled (gradient {apart:.4f} apart)"


def gradient_of(
    computing: Computing,
    model: GPT2LMHeadModel,
    ids: Tensor,
    weights: Tensor,
    keep: Tensor | None,
) -> Tensor:
    """All gradients in one row."""
    computing.loss(model, ids, weights, keep).backward()
    row = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad(set_to_none=True)
    return row


def orthogonalised(matrices: Tensor) -> Tensor:
    """Each [rows, columns] matrix of a stack, singular values brought near 1 by Newton-Schulz."""
    transpose = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if transpose else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if transpose else x


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised steps (Jordan et al. 2024), for the matrices of the blocks.

    Query, key and value matrices, fused in GPT-2, are treated one by one.
    """

    def __init__(
        self, matrices: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for weight in group["params"]:
                state = self.state[weight]
                if "average" not in state:
                    state["average"] = torch.zeros_like(weight)
                state["average"].lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(state["average"], group["momentum"])
                parts = 3 if weight.shape[1] == 3 * weight.shape[0] else 1
                for piece, target in zip(
                    update.chunk(parts, 1), weight.chunk(parts, 1), strict=True
                ):
                    by_shape.setdefault(piece.shape, []).append((piece, target))
            if group["weight_decay"]:
                torch._foreach_mul_(group["params"], 1 - group["lr"] * group["weight_decay"])
            for shape, pairs in by_shape.items():
                scale = group["lr"] * max(1.0, shape[1] / shape[0]) ** 0.5
                steps = orthogonalised(torch.stack([piece for piece, _ in pairs]))
                torch._foreach_add_(
                    [target for _, target in pairs], list(steps.unbind()), alpha=-scale
                )


def optimisers(model: GPT2LMHeadModel, decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, Adam for embeddings, biases and norms."""
    matrices = [p for p in model.transformer.h.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        Muon(matrices, lr=0.01, weight_decay=decay),
        torch.optim.AdamW(rest, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def set_rate(optimiser_list: list[torch.optim.Optimizer], factor: float) -> None:
    """Every rate as a factor of its first value."""
    for optimiser in optimiser_list:
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("full_lr", group["lr"]) * factor
