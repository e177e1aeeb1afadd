"""Retrieval: from a question, attention to the attribute asked for among several.

Source: Wu et al. 2024 (retrieval heads, copy-paste rate). The prompt states several
entity/attribute pairs and then asks for one in other words; the last token precedes no attribute
in the text, else an induction head would find every attribute blindly.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, Rung
from headlab.models.attention import Tap, run
from headlab.models.circuits import reads_and_writes
from headlab.models.weights import last_logits


def targets(tokens, token_texts=None, spans=None):
    """The tokens of the attribute asked for, from the last token; needs spans."""
    if spans is None or not spans.attribute:
        return None
    cells = np.zeros((len(tokens), len(tokens)), dtype=bool)
    cells[-1, list(spans.attribute)] = True
    return cells


def chance_cells(tokens, token_texts=None, spans=None):
    """Attention on all attributes times the right one's share of their tokens."""
    cells = np.zeros((len(tokens), len(tokens)), dtype=bool)
    cells[-1, [*spans.attribute, *spans.others]] = True
    return cells, spans.share


def evidence(model, prompts):
    """What a retrieval head is held against beside its score, [layer, head].

    Selectivity: attention on the right attribute as a share of the attention on all attributes,
    0 to 1. Copy-paste rate (Wu et al. 2024): over prompts answered correctly, how often the
    most-attended position lies in the right span and holds the generated token; NaN if no prompt
    is answered correctly. Raises and lowers the answer: over prompts, how often its output, read at
    the first token of the right attribute, raises or lowers that token more than any other of the
    prompt.
    """
    right = np.zeros((len(prompts), model.n_layers, model.n_heads))
    total = np.zeros_like(right)
    pasted = np.zeros_like(right, dtype=bool)
    correct = np.zeros(len(prompts), dtype=bool)
    for index, prompt in enumerate(prompts):
        attribute = list(prompt.spans.attribute)
        rows, generated = _last_rows(model, prompt)  # [layer, head, key]
        right[index] = rows[..., attribute].sum(-1)
        total[index] = rows[..., [*attribute, *prompt.spans.others]].sum(-1)
        holds_answer = [k for k in attribute if prompt.tokens[k] == prompt.answer]
        pasted[index] = np.isin(rows.argmax(-1), holds_answer)
        correct[index] = generated == prompt.answer
    raised, lowered = reads_and_writes(
        model,
        [prompt.tokens for prompt in prompts],
        [prompt.spans.attribute[:1] for prompt in prompts],
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "selectivity": right.sum(0) / total.sum(0),
            "copy_paste_rate": pasted[correct].sum(0) / correct.sum(),
            "answered_correctly": np.array(correct.mean()),
            "raises_the_answer": raised,
            "lowers_the_answer": lowered,
        }


def _last_rows(model, prompt):
    """Where every head looks from the last token [layer, head, key], and the token generated."""
    rows = []

    def read(layer, pattern, value):
        rows.append(pattern[0, :, -1].float().cpu().numpy())

    hidden = run(model.network, model.as_batch([prompt.tokens]), Tap(read=read))
    return np.stack(rows), int(last_logits(model.network, hidden)[0].argmax())


BEHAVIOUR = Behaviour(
    name="retrieval",
    title="Retrieval",
    summary="Asked about one of several things, it looks at the answer given earlier in the text.",
    label_order=10,
    probes=("facts",),
    threshold=0.4,
    min_rows=1,
    reason="Provisional: on the scale above what attention to attributes in general would give.",
    rung3=Rung(
        "In at least half of the fact prompts, what it writes when it reads the right attribute "
        "makes that attribute likelier than any other token of the prompt.",
        figure="raises_the_answer",
        least=0.5,
        contrary="lowers_the_answer",
    ),
    rung4=Rung(
        "On the fact prompts, removing the head lowers the probability of the right answer more "
        "than removing another head of its layer does.",
        probe="facts",
    ),
    sources=("Wu et al. 2024",),
    cited="after",
    asks="a fact that is asked for again, with its entity and attribute marked",
    example="Maria lives in Oslo. Peter lives in Lima. Anna lives in Rome. The home of Peter is",
    targets=targets,
    chance_cells=chance_cells,
    evidence=evidence,
)
