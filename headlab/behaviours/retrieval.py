"""Retrieval: from a question, attention to the attribute asked for among several.

Source: Wu et al. 2024 (retrieval heads, copy-paste rate). The prompt states several
entity/attribute pairs and then asks for one in other words; the last token precedes no attribute
in the text, else an induction head would find every attribute blindly.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, ReadsAndWrites, Rung
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


class Answers:
    """What a retrieval head is held against beside its score, [layer, head].

    Selectivity: attention on the right attribute as a share of the attention on all attributes,
    0 to 1. Copy-paste rate (Wu et al. 2024): over prompts answered correctly, how often the
    most-attended position lies in the right span and holds the generated token; NaN if no prompt
    is answered correctly. Raises and lowers the answer: over prompts, how often its output, read at
    the first token of the right attribute, raises or lowers that token more than any other of the
    prompt.
    """

    def __init__(self, model, prompts):
        self._model = model
        self._place = {id(prompt): index for index, prompt in enumerate(prompts)}
        self._right = np.zeros((len(prompts), model.n_layers, model.n_heads))
        self._total = np.zeros_like(self._right)
        self._pasted = np.zeros_like(self._right, dtype=bool)
        self._correct = np.zeros(len(prompts), dtype=bool)
        self._writes = ReadsAndWrites(model, {id(p): p.spans.attribute[:1] for p in prompts})

    def read(self, run):
        """Where the last token of each prompt looks, and what is written from there."""
        for row, prompt in enumerate(run.prompts):
            index, attribute = self._place[id(prompt)], list(prompt.spans.attribute)
            n = len(prompt.tokens)
            looks = run.pattern[row, :, n - 1, :n].float().cpu().numpy()  # [head, key]
            self._right[index, run.layer] = looks[:, attribute].sum(-1)
            others = [*attribute, *prompt.spans.others]
            self._total[index, run.layer] = looks[:, others].sum(-1)
            holds_answer = [k for k in attribute if prompt.tokens[k] == prompt.answer]
            self._pasted[index, run.layer] = np.isin(looks.argmax(-1), holds_answer)
        self._writes.read(run)

    def end(self, batch, hidden):
        """Which prompts were answered correctly."""
        last = hidden[range(len(batch.prompts)), batch.lengths - 1]
        generated = last_logits(self._model.network, last[:, None]).argmax(-1).tolist()
        for prompt, token in zip(batch.prompts, generated, strict=True):
            self._correct[self._place[id(prompt)]] = token == prompt.answer

    def figures(self):
        """By name."""
        raised, lowered = self._writes.shares()
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "selectivity": self._right.sum(0) / self._total.sum(0),
                "copy_paste_rate": self._pasted[self._correct].sum(0) / self._correct.sum(),
                "answered_correctly": np.array(self._correct.mean()),
                "raises_the_answer": raised,
                "lowers_the_answer": lowered,
            }


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
        "than removing a nearby head that does not show it does.",
        probe="facts",
    ),
    sources=("Wu et al. 2024",),
    cited="after",
    asks="a fact that is asked for again, with its entity and attribute marked",
    example="Maria lives in Oslo. Peter lives in Lima. Anna lives in Rome. The home of Peter is",
    targets=targets,
    chance_cells=chance_cells,
    names_with_rung3=True,  # induction heads find the attribute as well
    evidence=Answers,
)
