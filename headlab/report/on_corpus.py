"""What a report says of its heads over many texts: where attention goes, and some passages."""

from collections.abc import Sequence
from typing import Any

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring.budget import SHARES
from headlab.profiles.corpus import CorpusLooks, Row
from headlab.profiles.profile import Profile
from headlab.report.numbers import number

PASSAGES = 3  # of each head
LEAST = 0.01  # a smaller share of attention is not shaded


def on_corpus(found: CorpusLooks, profile: Profile, heads: Sequence[Head]) -> dict[str, Any]:
    """The heads of the passports over a corpus, in JSON types."""
    ours = (profile.content_hash, profile.start_token)
    if (found.content_hash, found.start_token) != ours:
        raise HeadlabError(
            "The corpus was read with another model or start token than the report is about: use "
            "the same for both."
        )
    return {
        "n_passages": found.n_passages,
        "n_tokens": found.n_tokens,
        "even": {name: number(found.even[name]) for name in SHARES},
        "heads": [
            {
                "head": str(head),
                "shares": {name: number(found.value[name][head]) for name in SHARES},
                "rows": [_row(row) for row in found.of(head)[:PASSAGES]],
            }
            for head in heads
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    """A passage: its tokens, the share that each gets (None: hardly any), and what is before."""
    shares = dict(zip(row.keys, row.shares, strict=True))
    places = range(row.begin, row.begin + len(row.texts))
    return {
        "tokens": list(row.texts),
        "query": row.query - row.begin,
        "shares": [
            number(shares[place]) if shares.get(place, 0) >= LEAST else None for place in places
        ],
        "before": [
            {"token": text, "share": number(share), "back": row.query - place}
            for place, text, share in zip(row.keys, row.key_texts, row.shares, strict=True)
            if place < row.begin and share >= LEAST
        ],
        "first": number(row.first),
        "strength": number(row.strength),
    }
