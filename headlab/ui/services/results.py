"""What pages ask of a model: readings, profiles, removals and patches, each made once for all."""

import hashlib
import json
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import streamlit as st

from headlab.behaviours import Spans
from headlab.evidence.verify import Comparison, verify_model
from headlab.heads import Head
from headlab.measuring.detecting import detect, shuffled_score
from headlab.measuring.effort import effort_of_reading
from headlab.measuring.pictures import Pictures
from headlab.measuring.reading import LayerOfText, Reading, read_layer, read_text
from headlab.models.anatomy import anatomy
from headlab.models.attention import pausing
from headlab.models.circuits import Written, eigenvalue_copying, written_from
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token, tokenise
from headlab.profiles.corpus import CorpusLooks, kept_corpus, passages
from headlab.profiles.corpus_pass import corpus_looks
from headlab.profiles.kept import kept_profile
from headlab.profiles.profile import Profile
from headlab.profiles.profiling import profile_model
from headlab.ui.services.jobs import Job
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import (
    MODEL_QUEUE,
    long_work,
    model_of,
    result_cache,
    shared,
    stay_stopped,
    stop_work,
)
from headlab.units import duration, gigabytes

PART = 1 / 8  # of the result cache: the most that one text's patterns and values may take
LONG_S = 4.0  # seconds of reading from which a page says how long it takes


@dataclass(frozen=True)
class ChosenText:
    """A text with what is asked in it: facts of a guided text, or spans a learner has marked."""

    text: str
    facts: tuple[tuple[str, str], ...] = ()
    spans: Spans | None = None


def policy(start_token: bool) -> StartToken:
    """The start-token policy that the switch stands for."""
    return "model" if start_token else None


def get_reading(selection: Selection, chosen: ChosenText) -> Reading:
    """All that one forward pass gives of a text; every page and learner that reads it shares it.

    Scores, hints and pictures of every head; patterns and value vectors of every layer too, unless
    the text is so long that they would take more than :data:`PART` of the result cache. Then it
    holds none, and :func:`get_layer` and :func:`get_whole_reading` give them.
    """
    model, start = model_of(selection), selection.start_token
    key = text_key(selection, chosen)
    stay_stopped(key)
    return shared(key, lambda: _read(model, chosen, start, key, whole=False))


def text_key(selection: Selection, chosen: ChosenText) -> tuple[Hashable, ...]:
    """What results about a text are kept under."""
    model = model_of(selection)
    return ("text", model.name, model.reading_hash, chosen, selection.start_token)


def _read(
    model: LoadedModel, chosen: ChosenText, start: bool, key: Hashable, whole: bool
) -> Reading:
    n = len(tokenise(model, chosen.text, resolve_start_token(model, policy(start)))[0])
    width = model.n_heads * anatomy(model.network).d_head  # of a layer's value vectors together
    n_bytes = 4 * model.n_layers * n * (model.n_heads * n + width)
    fits = n_bytes <= result_cache().max_bytes * PART
    with _long_work(model, n, model.n_layers if whole or fits else 0, key):
        return read_text(
            model,
            chosen.text,
            layers=None if whole or fits else (),
            start_token=policy(start),
            entities=chosen.facts or None,
            spans=chosen.spans,
            pictures=not whole,
            values=fits and not whole,
        )


@contextmanager
def _long_work(model: LoadedModel, n_tokens: int, n_kept: int, key: Hashable) -> Iterator[None]:
    """Says of a long text how long reading it takes and how much memory, and lets it be stopped.

    A press of the button begins a run of its own, and the old one ends where it next moves the
    bar; all who wait for the model go before every step.
    """
    effort = effort_of_reading(model, n_tokens, n_kept)
    if effort.seconds < LONG_S:
        yield
        return
    place = st.empty()
    with place.container(border=True):
        st.write(
            f"Reading {n_tokens:,} tokens takes about {duration(effort.seconds)} and "
            f"{gigabytes(effort.n_bytes)} of memory beside the model; others go first."
        )
        bar = st.progress(0.0)
        st.button("Stop reading", key=f"stop {model.name}", on_click=stop_work, args=(key,))

    def pause(layer: int) -> None:
        bar.progress((layer + 1) / model.n_layers, f"Layer {layer + 1} of {model.n_layers}")
        MODEL_QUEUE.give_way()

    try:
        with pausing(pause):
            yield
    finally:
        place.empty()


def get_whole_reading(selection: Selection, chosen: ChosenText) -> Reading:
    """A text's reading with the exact patterns of every layer, however long the text."""
    reading = get_reading(selection, chosen)
    if len(reading.layers) == reading.n_layers:
        return reading
    model, start = model_of(selection), selection.start_token
    key = ("whole", *text_key(selection, chosen))
    stay_stopped(key)
    return shared(key, lambda: _read(model, chosen, start, key, whole=True))


def get_pictures(selection: Selection, chosen: ChosenText) -> Pictures:
    """What the grid draws of a text, through the sink lens if it is on."""
    reading = get_reading(selection, chosen)
    pictures = reading.pictures_without_first if selection.lens else reading.pictures
    assert pictures is not None
    return pictures


def get_layer(selection: Selection, chosen: ChosenText, layer: int) -> LayerOfText:
    """The exact patterns and value vectors of one layer on a text."""
    reading = get_reading(selection, chosen)
    if layer in reading.layers and reading.values is not None:
        place = reading.layers.index(layer)
        return LayerOfText(reading.patterns[place], reading.values[place])
    model, start = model_of(selection), selection.start_token
    return shared(
        ("layer", layer, *text_key(selection, chosen)),
        lambda: read_layer(model, chosen.text, layer, policy(start)),
    )


def _profile_key(selection: Selection) -> Hashable:
    return ("profile", model_of(selection).content_hash, selection.start_token)


def ready_profile(selection: Selection) -> Profile | None:
    """The profile of the selected model and start-token policy if it need not be measured."""
    key = _profile_key(selection)
    ready = result_cache().find(key)
    if ready is None:
        model = model_of(selection)
        ready = kept_profile(model, start_token=policy(selection.start_token))
        if ready is not None:
            result_cache().put(key, ready)
    return ready


def get_profile(selection: Selection) -> Profile:
    """The profile of the selected model and start-token policy, measured if it must be.

    Measuring takes long: after every batch of texts all who wait for the model go first.
    """
    if (ready := ready_profile(selection)) is not None:
        return ready
    model = model_of(selection)

    def measure(job: Job) -> Profile:
        def partial(share: float, profile: Profile) -> None:
            job.early = (
                f"Labels after {share:.0%} of the probe texts: {profile.labels_text}. "
                "They may change until everything is measured."
            )

        return profile_model(
            model,
            start_token=policy(selection.start_token),
            progress=job.progress,
            partial=partial,
        )

    return long_work(_profile_key(selection), measure, "Measuring every head")


def get_written(selection: Selection, chosen: ChosenText, position: int, head: Head) -> Written:
    """What a head writes if it looks at one token of a text alone."""
    model = model_of(selection)
    value = get_layer(selection, chosen, head.layer).values[head.head, position]
    return shared(
        ("written", position, head, *text_key(selection, chosen)),
        lambda: written_from(model, value, head),
        "Reading the weights …",
    )


def get_eigenvalue_copying(selection: Selection) -> np.ndarray:
    """Eigenvalue copying of every head of the selected model, [layer, head]."""
    model = model_of(selection)
    return shared(
        ("eigenvalue copying", model.content_hash),
        lambda: eigenvalue_copying(model),
        "Reading the weights …",
    )


def get_position_control(
    selection: Selection, chosen: ChosenText, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores [layer, head] on some cells: the words in other orders, and random weights."""
    model, start = model_of(selection), policy(selection.start_token)
    reading = get_reading(selection, chosen)

    def measure(job: Job) -> tuple[np.ndarray, np.ndarray]:
        shuffled = shuffled_score(model, reading, cells)
        untrained = read_text(model.with_random_weights(0), chosen.text, start_token=start)
        return shuffled, detect(untrained, cells).score

    key = ("position", cells.tobytes(), *text_key(selection, chosen))
    return long_work(key, measure, "Reading the words in other orders")


def _corpus_key(selection: Selection, texts: tuple[str, ...]) -> Hashable:
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    return ("corpus", model_of(selection).content_hash, selection.start_token, digest)


def ready_corpus(selection: Selection, texts: tuple[str, ...] = ()) -> CorpusLooks | None:
    """What every head does over a corpus, if it need not be measured; without one over headlab's.

    A learner's own is held in memory only.
    """
    key = _corpus_key(selection, texts)
    ready = result_cache().find(key)
    if ready is None and not texts:
        model, start = model_of(selection), policy(selection.start_token)
        ready = kept_corpus(model, passages(), start_token=start)
        if ready is not None:
            result_cache().put(key, ready)
    return ready


def get_corpus(selection: Selection, texts: tuple[str, ...] = ()) -> CorpusLooks:
    """The same, measured if it must be."""
    if (ready := ready_corpus(selection, texts)) is not None:
        return ready
    model, profile = model_of(selection), get_profile(selection)
    return long_work(
        _corpus_key(selection, texts),
        lambda job: corpus_looks(
            model,
            texts or passages(),
            profile,
            start_token=policy(selection.start_token),
            progress=job.progress,
            cache=not texts,
        ),
        "Reading the corpus with every head",
    )


def ready_comparisons(selection: Selection) -> list[Comparison]:
    """The selected model's figures beside published ones, or none if they are not measured yet."""
    return result_cache().find(("comparisons", model_of(selection).content_hash)) or []


def get_comparisons(selection: Selection) -> list[Comparison]:
    """The selected model's figures beside published ones, measured if they must be."""
    model = model_of(selection)
    return long_work(
        ("comparisons", model.content_hash),
        lambda job: verify_model(model, job.progress),
        "Measuring",
    )
