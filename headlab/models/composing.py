"""How much of what one head writes another can read, from their weights, in factored form."""

from typing import Any

import torch

from headlab.models.anatomy import anatomy
from headlab.models.logit_lens import centred, read_through_norm
from headlab.models.weights import final_norm, head_weights

KINDS = ("query", "key", "value")


class Factors:
    """Of every head the thin factors that composition needs, float32 on the CPU.

    ``written`` [head, d_head, d_model] has the length and the direction of W_OV = W_V W_O as what
    is written, ``read`` of each kind [head, d_model, d_head] those of W_QK, its transpose and W_OV
    as what is read; heads of all layers in a row, those of layers without attention left out.
    """

    def __init__(self, network: Any) -> None:
        known = anatomy(network)
        self.layers = [at for at, one in enumerate(known.layers) if one.attention]
        written: list[torch.Tensor] = []
        read: dict[str, list[torch.Tensor]] = {kind: [] for kind in KINDS}
        for layer in self.layers:
            weights, norm = head_weights(network, layer), read_through_norm(network, layer)
            Q, K, V = (
                (norm @ matrix).float().cpu() for matrix in (weights.W_Q, weights.W_K, weights.W_V)
            )
            W_O = centred(weights.W_O, final_norm(network)).float().cpu()
            written.append(_triangle(V) @ W_O)
            read["query"].append(Q @ _triangle(K).mT)
            read["key"].append(K @ _triangle(Q).mT)
            read["value"].append(V @ _triangle(W_O.mT).mT)
        self.written = torch.cat(written)
        self.read = {kind: torch.cat(parts) for kind, parts in read.items()}


def _triangle(tall: torch.Tensor) -> torch.Tensor:
    """R of a QR decomposition: what a tall matrix [head, d_model, d_head] does to lengths."""
    return torch.linalg.qr(tall, mode="r").R


@torch.inference_mode()
def scores(factors: Factors, kind: str, n_heads: int) -> torch.Tensor:
    """Norm of the product over the product of the norms, [earlier head, later head], 0 to 1.

    NaN where the first head's layer is not before the second's.
    """
    written, read = factors.written, factors.read[kind]
    n, d_head, d_model = written.shape
    lengths = written.flatten(1).norm(dim=1), read.flatten(1).norm(dim=1)
    found = written.new_full((n, n), torch.nan)
    for begin in range(n_heads, n, n_heads):  # one later layer at a time
        later = read[begin : begin + n_heads]
        columns = later.permute(1, 0, 2).reshape(d_model, -1)
        product = written[:begin].reshape(-1, d_model) @ columns
        squares = product.square().view(begin, d_head, len(later), -1).sum((1, 3))
        found[:begin, begin : begin + n_heads] = squares.sqrt()
    return found / lengths[0][:, None] / lengths[1]


@torch.inference_mode()
def null(factors: Factors, kind: str, draws: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the scores of random heads, [earlier head, later head].

    The earlier head's factors are replaced by random ones with the same singular values. What the
    later head reads of them depends on a corner of a random rotation only, so that alone is drawn.
    """
    from_written = torch.linalg.svdvals(factors.written).square()  # [head, d_head]
    from_read = torch.linalg.svdvals(factors.read[kind]).square()
    d_head, d_model = factors.written.shape[1:]
    lengths = torch.outer(from_written.sum(-1), from_read.sum(-1)).sqrt()
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for _ in range(draws):
        tall = torch.randn(d_model, d_head, generator=generator)
        corner = torch.linalg.qr(tall).Q[:d_head].square()
        drawn.append((from_written @ corner @ from_read.T).sqrt() / lengths)
    found = torch.stack(drawn)
    return found.mean(0), found.std(0)
