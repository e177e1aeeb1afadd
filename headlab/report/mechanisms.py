"""What a report says about mechanisms: why a head looks there, who tells it, is that all?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring.reading import Reading
from headlab.mechanisms import AttentionExplanation, Edge, Faithfulness
from headlab.mechanisms.explaining import SIDES
from headlab.report.numbers import number, numbers

WRITERS = 6  # of each side
ELSEWHERE = (
    "A head's look was explained on another text, model or start token than the report is about: "
    "use the same for both."
)


@dataclass(frozen=True, eq=False)
class Told:
    """What earlier heads carry into one look of a head: what ``strongest_senders`` found.

    ``attention`` of ``receiver`` from ``query`` to ``key`` is what it is on the text as it stands;
    ``corrupt`` is the text that the messages were taken from.
    """

    receiver: Head
    query: int
    key: int
    corrupt: str
    attention: float
    edges: Sequence[Edge]


def mechanisms(
    reading: Reading,
    explanations: Sequence[AttentionExplanation],
    told: Sequence[Told],
    kept: Sequence[Faithfulness],
) -> dict[str, Any]:
    """Everything of the section, in JSON types."""
    for each in (*explanations, *kept):
        ours = (reading.model_name, reading.start_token, reading.text)
        if (each.model_name, each.start_token, each.text) != ours:
            raise HeadlabError(ELSEWHERE)
    if any(max(each.query, each.key) >= len(reading.tokens) for each in told):
        raise HeadlabError(ELSEWHERE)
    return {
        "why": [_why(each) for each in explanations],
        "told": [_told(each) for each in told],
        "kept": [_kept(each) for each in kept],
    }


def _why(found: AttentionExplanation) -> dict[str, Any]:
    shares = {side: found.shares(side) for side in SIDES}
    return {
        "head": str(found.head),
        "query": found.query,
        "key": found.key,
        "attention": number(found.attention),
        "contrast": number(found.contrast),
        "parts": len(found.parts),
        "writers": {
            side: [{"part": part, "share": number(value)} for part, value in each[:WRITERS]]
            for side, each in shares.items()
        },
        "rest": {
            side: number(sum(value for _, value in each[WRITERS:])) for side, each in shares.items()
        },
    }


def _told(found: Told) -> dict[str, Any]:
    return {
        "receiver": str(found.receiver),
        "query": found.query,
        "key": found.key,
        "corrupt": found.corrupt,
        "attention": number(found.attention),
        "edges": [
            {
                "sender": str(edge.sender),
                "into": edge.into,
                "attention": number(edge.attention),
                "change": number(edge.change),
                "controls": numbers(edge.controls),
                "least": number(edge.controls.min()),
                "most": number(edge.controls.max()),
                "counts": edge.counts,
            }
            for edge in found.edges
        ],
    }


def _kept(found: Faithfulness) -> dict[str, Any]:
    drawn = found.random_scores
    return {
        "heads": [str(head) for head in found.heads],
        "measured": found.measured,
        "replaced_by": found.replaced_by,
        "whole": number(found.whole),
        "none": number(found.none),
        "alone": number(found.score),
        "without": number(found.left),
        "random": numbers(drawn),
        "least": number(drawn.min()) if len(drawn) else None,
        "most": number(drawn.max()) if len(drawn) else None,
        "no_random": found.no_random,
    }
