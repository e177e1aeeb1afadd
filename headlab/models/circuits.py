"""What heads read and write, from their weights: OV and QK circuits in factored form.

Source: Elhage et al. 2021. The OV circuit says which logits a head moves when it attends to a
token, the QK circuit which tokens attract each other. Both are vocabulary x vocabulary, so only
their thin factors are ever held.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.models import logit_lens
from headlab.models.attention import Tap, run
from headlab.models.kernels import as_tensor
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import token_text
from headlab.models.weights import has_weights


@dataclass(frozen=True, eq=False)
class Circuit:
    """A matrix [row token, column token] held as ``left`` [token, rank] @ ``right`` [rank, token].

    OV: row the token attended to, column the token whose logit moves, in logits up to the scale of
    the norms, relative to the mean over the vocabulary. QK: row the query's token, column the
    key's, in attention scores before scaling.
    """

    left: np.ndarray
    right: np.ndarray

    def row(self, token: int) -> np.ndarray:
        """One row of the matrix, [token]."""
        return self.left[token] @ self.right

    def eigenvalues(self) -> np.ndarray:
        """The matrix's eigenvalues that are not zero by construction, complex [rank]."""
        return np.linalg.eigvals((self.right @ self.left).astype(np.float64))


@dataclass(frozen=True)
class Written:
    """The tokens whose logits a head raises and lowers most, each with how much, most first.

    Logits up to the scale of the final norm, relative to the mean over the vocabulary.
    """

    raised: tuple[tuple[str, float], ...]
    lowered: tuple[tuple[str, float], ...]


def ov_circuit(model: LoadedModel, head: Head) -> Circuit:
    """Which logits the head moves when it attends to a token, from the token's embedding alone.

    Norm weights folded, W_E and W_O centred where the norms centre, W_U over the vocabulary, biases
    left out. HeadlabError for a head that does not exist or weights that headlab cannot read.
    Source: Elhage et al. 2021.
    """
    _check(model, head)
    return _as_circuit(logit_lens.ov_factors(model.network, *head))


def qk_circuit(model: LoadedModel, head: Head) -> Circuit:
    """How much the head's query for one token looks for another one, positions left out.

    Errors as for :func:`ov_circuit`. Source: Elhage et al. 2021.
    """
    _check(model, head)
    return _as_circuit(logit_lens.qk_factors(model.network, *head))


def _as_circuit(factors) -> Circuit:
    left, right = (factor.float().cpu().numpy() for factor in factors)
    return Circuit(left, right)


def eigenvalue_copying(model: LoadedModel) -> np.ndarray:
    """sum(lambda) / sum(|lambda|) over the eigenvalues of each head's OV circuit, [layer, head].

    -1 to 1; near 1, tokens mostly raise themselves. A secondary figure, never a label: alone it
    proves nothing, for a head of GPT-2 small that suppresses names (L11.H10) is published with
    +.99. NaN for a head that writes nothing. Source: Elhage et al. 2021.
    """
    _check_weights(model)
    return logit_lens.eigenvalue_copying(model.network, model.n_layers).cpu().numpy()


def written_tokens(
    model: LoadedModel, tokens: Sequence[int], position: int, head: Head, top: int = 10
) -> Written:
    """What the head writes if it looks at one token of a text and nothing else.

    Its value vector at ``position`` of ``tokens`` (start token included), value bias counted,
    through W_O, the final norm's weight and the unembedding. HeadlabError for a head or position
    that does not exist or weights that headlab cannot read. Source: after Elhage et al. 2021.
    """
    _check(model, head)
    if not 0 <= position < len(tokens):
        raise HeadlabError(
            f"The text has no position {position}: choose one from 0 to {len(tokens) - 1}."
        )
    found = []

    def read(layer, pattern, value):
        if layer == head.layer:
            found.append(value[0, head.head, position].float().cpu().numpy())

    run(model.network, model.as_batch([tokens]), Tap(read=read, last_layer=head.layer))
    return written_from(model, found[0], head, top)


def written_from(model: LoadedModel, value: np.ndarray, head: Head, top: int = 10) -> Written:
    """What the head writes if it reads nothing but this value vector [d_head], bias counted.

    See :func:`written_tokens`, which runs the text to get the vector.
    """
    _check(model, head)
    read = as_tensor(value).to(model.network.device, model.network.dtype)
    logits = logit_lens.written_logits(model.network, *head, read).float().cpu().numpy()
    order = np.argsort(logits[: len(model.tokenizer)], kind="stable")
    lowered, raised = order[:top], order[::-1][:top]
    return Written(*(_named(model, ids, logits) for ids in (raised, lowered)))


def _named(
    model: LoadedModel, ids: np.ndarray, logits: np.ndarray
) -> tuple[tuple[str, float], ...]:
    return tuple((token_text(model, int(token)), float(logits[token])) for token in ids)


def _check(model: LoadedModel, head: Head) -> None:
    if not (0 <= head.layer < model.n_layers and 0 <= head.head < model.n_heads):
        raise HeadlabError(
            f"{model.name} has no head {head}: its layers run from 0 to {model.n_layers - 1}, the "
            f"heads of a layer from 0 to {model.n_heads - 1}."
        )
    _check_weights(model)


def _check_weights(model: LoadedModel) -> None:
    if not has_weights(model.network):
        raise HeadlabError(
            f"headlab cannot yet read the weights of {model.name}'s architecture: choose another "
            "model to see what its heads write."
        )
