"""The publications that headlab builds on or points to, by the short name they are cited with."""

from dataclasses import dataclass

from headlab.errors import unknown


@dataclass(frozen=True)
class Reference:
    """One publication: ``name`` is how it is cited, such as "Olsson et al. 2022"."""

    name: str
    title: str
    url: str


REFERENCES = {
    reference.name: reference
    for reference in (
        Reference(
            "Clark et al. 2019",
            "What Does BERT Look At? An Analysis of BERT's Attention",
            "https://arxiv.org/abs/1906.04341",
        ),
        Reference(
            "Crouch et al. 2004",
            "Classroom demonstrations: Learning tools or entertainment?",
            "https://doi.org/10.1119/1.1707018",
        ),
        Reference(
            "Elhage et al. 2021",
            "A Mathematical Framework for Transformer Circuits",
            "https://transformer-circuits.pub/2021/framework/index.html",
        ),
        Reference(
            "Jain and Wallace 2019",
            "Attention is not Explanation",
            "https://arxiv.org/abs/1902.10186",
        ),
        Reference(
            "McDougall et al. 2023",
            "Copy Suppression: Comprehensively Understanding an Attention Head",
            "https://arxiv.org/abs/2310.04625",
        ),
        Reference(
            "Olsson et al. 2022",
            "In-context Learning and Induction Heads",
            "https://transformer-circuits.pub/2022/in-context-learning-and-induction-heads/index.html",
        ),
        Reference(
            "Vaswani et al. 2017",
            "Attention Is All You Need",
            "https://arxiv.org/abs/1706.03762",
        ),
        Reference(
            "Voita et al. 2019",
            "Analyzing Multi-Head Self-Attention: Specialized Heads Do the Heavy Lifting, the Rest "
            "Can Be Pruned",
            "https://arxiv.org/abs/1905.09418",
        ),
        Reference(
            "Wang et al. 2022",
            "Interpretability in the Wild: a Circuit for Indirect Object Identification in GPT-2 "
            "small",
            "https://arxiv.org/abs/2211.00593",
        ),
        Reference(
            "Wiegreffe and Pinter 2019",
            "Attention is not not Explanation",
            "https://arxiv.org/abs/1908.04626",
        ),
        Reference(
            "Wu et al. 2024",
            "Retrieval Head Mechanistically Explains Long-Context Factuality",
            "https://arxiv.org/abs/2404.15574",
        ),
        Reference(
            "Xiao et al. 2023",
            "Efficient Streaming Language Models with Attention Sinks",
            "https://arxiv.org/abs/2309.17453",
        ),
        Reference(
            "Zhang and Nanda 2023",
            "Towards Best Practices of Activation Patching in Language Models: Metrics and Methods",
            "https://arxiv.org/abs/2309.16042",
        ),
    )
}


def get_reference(name: str) -> Reference:
    """The publication cited as ``name``; an error with the nearest name if there is none."""
    if name not in REFERENCES:
        raise unknown("source", name, REFERENCES)
    return REFERENCES[name]
