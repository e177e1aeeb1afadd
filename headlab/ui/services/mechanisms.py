"""Why heads look where they do and who tells them, each measured once for all."""

import numpy as np

from headlab.heads import Head
from headlab.interventions import Reference, with_word
from headlab.interventions.replacing import Mode
from headlab.mechanisms import (
    AttentionExplanation,
    Circuit,
    Composition,
    Edge,
    Faithfulness,
    Listener,
    Sink,
    composition,
    explain_attention,
    explain_sink,
    strongest_listeners,
    strongest_senders,
)
from headlab.report import Told
from headlab.ui.services.collected import Collected, place
from headlab.ui.services.effects import get_reference
from headlab.ui.services.results import ChosenText, get_layer, get_reading, policy, text_key
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import long_work, model_of, shared


def get_explanation(
    selection: Selection, chosen: ChosenText, head: Head, query: int, key: int
) -> AttentionExplanation:
    """Why a head looks from one token of a text to another; HeadlabError where no sum is exact."""
    model, start = model_of(selection), policy(selection.start_token)
    return shared(
        ("why there", head, query, key, *text_key(selection, chosen)),
        lambda: explain_attention(model, chosen.text, head, query, key, start_token=start),
        "Splitting the score into its parts …",
    )


def get_composition(selection: Selection) -> Composition:
    """What every head can read of what earlier ones write; HeadlabError where it cannot be told."""
    model = model_of(selection)
    return long_work(
        ("composition", model.content_hash),
        lambda job: composition(model),
        "Comparing the weights of every pair of heads",
    )


def get_senders(
    selection: Selection, chosen: ChosenText, other: str, head: Head, query: int, key: int
) -> tuple[Edge, ...]:
    """Which earlier heads tell a head where to look, told apart by another text, with a bar."""
    model, start = model_of(selection), policy(selection.start_token)
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


def get_listeners(
    selection: Selection, chosen: ChosenText, other: str, head: Head
) -> tuple[Listener, ...]:
    """Which later heads look elsewhere when a head sends what it would on another text."""
    model, start = model_of(selection), policy(selection.start_token)
    return shared(
        ("listeners", other, head, *text_key(selection, chosen)),
        lambda: strongest_listeners(model, chosen.text, other, head, start_token=start),
        "Listening at every later head …",
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
    model, start = model_of(selection), policy(selection.start_token)
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


def get_kept_alone(
    selection: Selection, chosen: ChosenText, circuit: Collected, end: Head
) -> tuple[Faithfulness, ...]:
    """How much of the look of ``end`` the heads of a collected circuit carry alone."""
    other = other_text(selection, chosen, circuit)
    return get_faithfulness(
        selection, chosen, other, circuit.heads, end, circuit.query, circuit.key
    )


def other_text(selection: Selection, chosen: ChosenText, circuit: Collected) -> str:
    """The text with the word changed on which a circuit was collected."""
    model, start = model_of(selection), policy(selection.start_token)
    return with_word(model, chosen.text, circuit.changed, circuit.word, start)


def get_look(selection: Selection, chosen: ChosenText) -> AttentionExplanation:
    """Why the selected head looks where it is asked about: else from the last token, brightest."""
    head = Head(selection.layer, selection.head or 0)
    pattern = get_layer(selection, chosen, head.layer).patterns[head.head]
    query = len(pattern) - 1 if selection.token is None else min(selection.token, len(pattern) - 1)
    row = pattern[query, : query + 1]
    key = brightest(row) if selection.key is None or selection.key > query else selection.key
    return get_explanation(selection, chosen, head, query, key)


def brightest(row: np.ndarray) -> int:
    """The token that a row looks at most, off the first one."""
    return int(row[1:].argmax()) + 1 if len(row) > 1 else 0


def where_collected(selection: Selection, chosen: ChosenText) -> str:
    """What tells the text on which a circuit is collected, and how it is read."""
    return place(selection.model, selection.start_token, selection.reads, chosen.text)


def has_circuit(selection: Selection, chosen: ChosenText) -> bool:
    """Whether the collected circuit belongs to this text, model and start token."""
    mine, here = selection.circuit, where_collected(selection, chosen)
    if mine is None or mine.where != here:
        return False
    return mine.query < len(get_reading(selection, chosen).tokens)


def get_circuit(
    selection: Selection, chosen: ChosenText
) -> tuple[tuple[Told, ...], tuple[Faithfulness, ...]]:
    """Who tells the last head of the collected circuit, and how much the circuit carries alone."""
    mine = selection.circuit
    assert mine is not None
    other = other_text(selection, chosen, mine)
    pattern = get_layer(selection, chosen, mine.end.layer).patterns[mine.end.head]
    edges = get_senders(selection, chosen, other, mine.end, mine.query, mine.key)
    looks = float(pattern[mine.query, mine.key])
    told = Told(mine.end, mine.query, mine.key, other, looks, edges)
    return (told,), get_kept_alone(selection, chosen, mine, mine.end)


def get_sink(selection: Selection, chosen: ChosenText, head: Head) -> Sink:
    """Why a head rests on the first token of a text; HeadlabError where that cannot be told."""
    model, start = model_of(selection), policy(selection.start_token)
    return shared(
        ("sink", head, *text_key(selection, chosen)),
        lambda: explain_sink(model, chosen.text, head, start_token=start),
        "Reading the text without one thing at a time …",
    )
