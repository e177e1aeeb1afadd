"""Why heads look where they do and who tells them, each measured once for all."""

from headlab.heads import Head
from headlab.interventions import Reference
from headlab.interventions.replacing import Mode
from headlab.mechanisms import (
    AttentionExplanation,
    Circuit,
    Composition,
    Edge,
    Faithfulness,
    Sink,
    composition,
    explain_attention,
    explain_sink,
    strongest_senders,
)
from headlab.ui.services.effects import get_reference
from headlab.ui.services.results import ChosenText, policy, text_key
from headlab.ui.services.sharing import get_model, long_work, shared
from headlab.ui.services.state import Selection


def get_explanation(
    selection: Selection, chosen: ChosenText, head: Head, query: int, key: int
) -> AttentionExplanation:
    """Why a head looks from one token of a text to another; HeadlabError where no sum is exact."""
    model, start = get_model(selection.model), policy(selection.start_token)
    return shared(
        ("why there", head, query, key, *text_key(selection, chosen)),
        lambda: explain_attention(model, chosen.text, head, query, key, start_token=start),
        "Splitting the score into its parts …",
    )


def get_composition(selection: Selection) -> Composition:
    """What every head can read of what earlier ones write; HeadlabError where it cannot be told."""
    model = get_model(selection.model)
    return long_work(
        ("composition", model.content_hash),
        lambda job: composition(model),
        "Comparing the weights of every pair of heads",
    )


def get_senders(
    selection: Selection, chosen: ChosenText, other: str, head: Head, query: int, key: int
) -> tuple[Edge, ...]:
    """Which earlier heads tell a head where to look, told apart by another text, with a bar."""
    model, start = get_model(selection.model), policy(selection.start_token)
    return long_work(
        ("senders", other, head, query, key, *text_key(selection, chosen)),
        lambda job: strongest_senders(
            model,
            chosen.text,
            other,
            head,
            query=query,
            key=key,
            start_token=start,
            progress=job.progress,
        ),
        f"Patching the paths into {head} for token {query}",
    )


def get_faithfulness(
    selection: Selection,
    chosen: ChosenText,
    other: str,
    heads: tuple[Head, ...],
    end: Head,
    query: int,
    key: int,
) -> tuple[Faithfulness, ...]:
    """What some heads carry alone, all others replaced by the other text's, and by their mean."""
    model, start = get_model(selection.model), policy(selection.start_token)
    ways: dict[Mode, str | Reference] = {"text": other, "mean": get_reference(selection)}
    return long_work(
        ("faithfulness", other, heads, end, query, key, *text_key(selection, chosen)),
        lambda job: tuple(
            Circuit(heads).faithfulness(
                model,
                chosen.text,
                head=end,
                query=query,
                key=key,
                mode=mode,
                reference=reference,
                start_token=start,
            )
            for mode, reference in ways.items()
        ),
        "Keeping only these heads",
    )


def get_sink(selection: Selection, chosen: ChosenText, head: Head) -> Sink:
    """Why a head rests on the first token of a text; HeadlabError where that cannot be told."""
    model, start = get_model(selection.model), policy(selection.start_token)
    return shared(
        ("sink", head, *text_key(selection, chosen)),
        lambda: explain_sink(model, chosen.text, head, start_token=start),
        "Reading the text without one thing at a time …",
    )
