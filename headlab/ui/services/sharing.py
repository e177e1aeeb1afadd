"""What all learners share: two models at most, the model queue, and the result cache.

The result cache is bounded in entries, bytes and time (``queue.py``). What lies in it is keyed by
what it was made from, text included: a learner's own text can be found only by who has the same
text.
"""

import gc
import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from headlab import log, settings
from headlab.models.attention import pausing
from headlab.models.loaded import LoadedModel
from headlab.models.loading import load_model
from headlab.models.memory import enough_memory
from headlab.ui.services.jobs import Job, Jobs
from headlab.ui.services.queue import ModelQueue, ResultCache, Tell
from headlab.ui.services.selection import Selection

MODEL_QUEUE = ModelQueue()
TICK_S = 0.3  # seconds between two looks of a page at a job
STOPPED = "the work that was stopped"
STOPS = "stop buttons"
MODELS = 2  # held at once: mini and one more, or the two that are compared


@st.cache_resource(max_entries=MODELS, show_spinner="Opening the model …")
def _opened(name: str, stamp: int) -> LoadedModel:
    with MODEL_QUEUE.turn():
        gc.collect()  # a model that was let go before
        model = load_model(name)
        _ = model.content_hash  # worked out once, here
    log.event("model opened", layers=model.n_layers, heads=model.n_heads, device=model.device.type)
    return model


def get_model(name: str) -> LoadedModel:
    """The loaded model, shared by all learners; the two last used are held."""
    return _opened(name, stamp(name))


def model_of(selection: Selection) -> LoadedModel:
    """The selected model, which reads special tokens in a text as the learner has chosen."""
    model = get_model(selection.model)
    return model if selection.reads == "text" else model.with_special_tokens()


def unload_models() -> None:
    """Close all models: for who opens one that may not fit beside them."""
    _opened.clear()


def stamp(name: str) -> int:
    """When the newest file of a model's folder was written: a folder may be trained into again."""
    folder = Path(os.path.expanduser(name))
    files = folder.iterdir() if folder.is_dir() else ()
    return max((file.stat().st_mtime_ns for file in files), default=0)


@st.cache_resource(show_spinner=False)
def result_cache() -> ResultCache:
    """What learners share beside the models; one for the whole server."""
    return ResultCache(MODEL_QUEUE, settings.memory())


def shared(key: Hashable, make: Callable[[], Any], what: str = "Reading the text …") -> Any:
    """What ``make`` gives, made once for all learners who ask for ``key``, in its turn.

    ``key`` names everything that the result depends on, the model's content hash included.
    """
    found = result_cache().find(key)
    if found is not None:
        result_cache().hits += 1
        return found
    with st.spinner(what), wait_shown() as tell, pausing(lambda layer: MODEL_QUEUE.give_way(tell)):
        return result_cache().get(key, lambda: _in_memory(make), tell)


def _in_memory(make: Callable[[], Any]) -> Any:
    with enough_memory():
        return make()


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The long work of this server."""
    return Jobs(result_cache())


def long_work(key: Hashable, make: Callable[[Job], Any], words: str) -> Any:
    """What ``make`` gives, as a job of the server that all who ask for ``key`` watch together.

    It goes on when they leave. Who began it may stop it while nobody else watches.
    """
    found = result_cache().find(key)
    if found is not None:
        result_cache().hits += 1
        return found
    stay_stopped(key, f"{words} was stopped.", "Go on after all")
    me = _session()
    bar, early, stop = st.empty(), st.empty(), st.empty()
    with jobs().watched(key, make, me) as job:
        offered = False
        while True:
            over = job.done.wait(TICK_S)
            bar.progress(job.share, _how_far(job, words))
            if job.early:
                early.markdown(job.early)
            alone = job.owner == me and set(job.watchers) == {me}
            if alone and not offered:
                stop.button("Stop", key=_next_stop(), on_click=_stop_job, args=(key, me))
            elif offered and not alone:
                stop.empty()
            offered = alone or offered
            if over:
                break
    bar.empty()
    stop.empty()
    value = job.result()
    early.empty()
    return value


def _next_stop() -> str:
    """A key for a stop button: a run may come to several long works, one after the other."""
    number = st.session_state.get(STOPS, 0) + 1
    st.session_state[STOPS] = number
    return f"stop {number % 20}"  # more do not follow one another in a run


def _how_far(job: Job, words: str) -> str:
    if job.words:
        return f"{words}: {job.words}"
    if job.ahead:
        return f"{words}: {job.ahead} ahead in the queue for the model"
    return f"{words} …"


def _session() -> str:
    """Whose page this is; all pages without a browser are one."""
    run = get_script_run_ctx(suppress_warning=True)
    return run.session_id if run else ""


def _stop_job(key: Hashable, who: str) -> None:
    jobs().stop(key, who)
    stop_work(key)


def stop_work(key: Hashable) -> None:
    """Remember what this session has stopped; None lets it begin again."""
    st.session_state[STOPPED] = key


def stay_stopped(
    key: Hashable,
    words: str = "Reading this text was stopped. Shorten it above, or",
    button: str = "read it after all",
) -> None:
    """What was stopped does not begin again by itself: the page ends here, with a button."""
    if st.session_state.get(STOPPED) == key and result_cache().find(key) is None:
        st.info(words)
        st.button(button, key="read after all", on_click=stop_work, args=(None,))
        st.stop()


@contextmanager
def wait_shown() -> Iterator[Tell]:
    """Tells a learner who waits for longer than a second how many are ahead."""
    place = None

    def tell(ahead: int) -> None:
        nonlocal place
        place = place or st.empty()
        if ahead > 1:
            place.info(f"Waiting for the model: {ahead} others are ahead of you.")
        elif ahead == 1:
            place.info("Waiting for the model: one other is ahead of you.")
        else:
            place.info("Waiting for the model: somebody else has asked for the same just now.")

    try:
        yield tell
    finally:
        if place is not None:
            place.empty()
