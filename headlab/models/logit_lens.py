"""What heads write, as logits of tokens; never a matrix of vocabulary x vocabulary.

A head that attends to a position with value vector v writes v W_O into the residual stream. What
that does to the logits is seen through the final norm and the unembedding.
"""

from collections.abc import Iterator
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.anatomy import anatomy
from headlab.models.kernels import exact
from headlab.models.norms import norm_facts
from headlab.models.weights import (
    embedding,
    final_norm,
    final_norm_weight,
    head_weights,
    norm_before,
    unembedding,
    width,
)

NAMES_AMONG = 5  # a name is written if it is among so many first tokens of the vocabulary
FIRST_COLUMNS, COLUMNS = 128, 8192  # tokens of the vocabulary looked at together


@torch.inference_mode()
def names_written(
    network: Any, layer: int, residual: torch.Tensor, names: torch.Tensor, top: int = NAMES_AMONG
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether a head that reads a name writes that name, and whether it writes against it.

    ``residual`` [row, d_model] is the stream after block 0 at a name, ``names`` [row] its token.
    The published procedure (`check_copy_circuit` of Wang et al. 2022): the norm of block 1 (where
    that has no attention, of the next one that has), this layer's W_V + b_V and W_O, the final
    norm, W_U. Returns booleans [row, head]: the name is among
    the ``top`` tokens of the vocabulary for the head's output, and for its negative.
    """
    layers = anatomy(network).layers
    weights = head_weights(network, layer)
    next_block = next(index for index in range(1, len(layers)) if layers[index].attention)
    norm, last = norm_before(network, next_block), final_norm(network)
    read = residual if norm is None else norm(residual)
    written = (read @ weights.W_V + weights.b_V[:, None]) @ weights.W_O  # [head, row, d_model]
    n_heads, n_rows, d_model = written.shape
    rows = written.reshape(-1, d_model)
    own = names.repeat(n_heads)
    found = []
    for signed in (rows, -rows):
        among = _among_top(network, signed if last is None else last(signed), own, top)
        found.append(among.view(n_heads, n_rows).T)
    return found[0], found[1]


def _among_top(network: Any, states: torch.Tensor, own: torch.Tensor, top: int) -> torch.Tensor:
    """Whether the logit of token ``own`` [row] is among the ``top`` of ``states`` [row, d_model].

    Most rows are out after a few tokens of the vocabulary: only the others go on.
    """
    own_logit = (states * unembedding(network, own).T).sum(-1)
    higher = torch.zeros_like(own)
    left = torch.arange(len(own), device=own.device)
    for part in _slices(network):
        logits = states[left] @ unembedding(network, part)
        columns = torch.arange(part.start, part.start + logits.shape[1], device=own.device)
        above = (logits > own_logit[left, None]) & (columns != own[left, None])
        higher[left] += above.sum(-1)
        left = left[higher[left] < top]
    return higher < top


def _slices(network: Any) -> Iterator[slice]:
    """The vocabulary in pieces, a small one first."""
    n, begin, width = unembedding_size(network), 0, FIRST_COLUMNS
    while begin < n:
        yield slice(begin, min(begin + width, n))
        begin, width = begin + width, min(8 * width, COLUMNS)


def unembedding_size(network: Any) -> int:
    """Tokens that have a logit."""
    return len(network.get_output_embeddings().weight)


@torch.inference_mode()
def written_logits(network: Any, layer: int, head: int, value: torch.Tensor) -> torch.Tensor:
    """What one head adds to every logit if it looks at ``value`` [d_head] alone, [vocabulary].

    v W_O through the final norm (its scale left out, so the unit is arbitrary) and W_U, without
    b_O, relative to the mean over the vocabulary.
    """
    written = value @ head_weights(network, layer).W_O[head]
    logits = (centred(written, final_norm(network)) * final_norm_weight(network)) @ unembedding(
        network
    )
    return logits - logits.mean()


@torch.inference_mode()
def ov_factors(network: Any, layer: int, head: int) -> tuple[torch.Tensor, torch.Tensor]:
    """W_E W_V W_O W_U as [vocabulary, d_head] and [d_head, vocabulary].

    The weights of both norms are folded in; W_E and W_O are centred where those norms centre (they
    do in a LayerNorm, not in an RMSNorm), W_U over the vocabulary. Biases are left out.
    """
    weights = head_weights(network, layer)
    reads = read_through_norm(network, layer)
    left = embedding(network) @ (reads @ weights.W_V[head])
    written = centred(weights.W_O[head], final_norm(network)) * final_norm_weight(network)
    right = written @ unembedding(network)
    return left, right - right.mean(-1, keepdim=True)


@torch.inference_mode()
def qk_factors(network: Any, layer: int, head: int) -> tuple[torch.Tensor, torch.Tensor]:
    """W_E W_Q (W_E W_K)^T as [vocabulary, d_head] and [d_head, vocabulary].

    The norm's weight is folded in, W_E centred where the norm centres. Biases, positions and the
    scaling are left out: it is how the tokens alone attract each other.
    """
    weights = head_weights(network, layer)
    if not (weights.W_Q.numel() and weights.W_K.numel()):
        raise HeadlabError(
            "The queries and keys of this model are made in more than one step, so there is no "
            "matrix of what looks for what: choose another model."
        )
    E, reads = embedding(network), read_through_norm(network, layer)
    return E @ (reads @ weights.W_Q[head]), (E @ (reads @ weights.W_K[head])).T


@torch.inference_mode()
def eigenvalue_copying(network: Any, layers: int) -> torch.Tensor:
    """sum(lambda) / sum(|lambda|) of every head's OV circuit, float64 [layer, head], -1 to 1.

    The eigenvalues of ``ov_factors``' product that are not zero are those of the same factors
    multiplied the other way round, d_head x d_head. NaN for a head that writes nothing.
    """
    size, d_model = unembedding_size(network), width(network)
    inner = exact(torch.zeros(d_model, d_model))
    of_U, of_E = inner.new_zeros(d_model), inner.new_zeros(d_model)
    for part in _slices(network):
        U, E = exact(unembedding(network, part)), exact(embedding(network, part))
        inner += U @ E
        of_U, of_E = of_U + U.sum(1), of_E + E.sum(0)
    inner -= torch.outer(of_U, of_E) / size  # W_U centred over the vocabulary
    found = []
    for layer in range(layers):
        if not anatomy(network).layers[layer].attention:
            found.append(inner.new_full((anatomy(network).n_heads,), torch.nan))
            continue
        weights = head_weights(network, layer)
        last = exact(final_norm_weight(network))
        written = exact(centred(weights.W_O, final_norm(network))) * last
        read = exact(read_through_norm(network, layer)) @ exact(weights.W_V)
        products = written @ inner @ read
        values = torch.linalg.eigvals(products)
        found.append(values.sum(-1).real / values.abs().sum(-1))
    return torch.stack(found)


def read_through_norm(network: Any, layer: int) -> torch.Tensor:
    """The norm in front of a layer's attention as a matrix, its scale left out: x @ this."""
    norm = norm_before(network, layer)
    eye = torch.eye(width(network), device=network.device, dtype=network.dtype)
    return eye if norm is None else centred(eye, norm) * norm_facts(norm, len(eye), eye).gain


def centred(x: torch.Tensor, norm: Any | None) -> torch.Tensor:
    """Less its mean over the last axis, where the norm that reads it takes that away."""
    if norm is None or not norm_facts(norm, x.shape[-1], x).centres:
        return x
    return x - x.mean(-1, keepdim=True)
