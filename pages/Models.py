"""Which models there are, which are on this machine, and getting the others."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from dataclasses import replace

import pandas as pd
import streamlit as st

from headlab.errors import HeadlabError
from headlab.evidence.verify import AGAIN, Comparison, nothing_to_compare, verdict
from headlab.models.catalogue import CATALOGUE, is_public, offered
from headlab.models.download import latest_download, start_download
from headlab.models.hub import can_be_fetched, find_model
from headlab.models.loading import choose_folder, place_named
from headlab.ui.services import state
from headlab.ui.services.results import get_comparisons, ready_comparisons
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import get_model, model_of, unload_models
from headlab.ui.services.start_page import guarded, page_header, start_page
from headlab.units import gigabytes

ANOTHER = "another"
WANTED = "wanted_model"  # what this learner has asked for and opens once it is here


def title(name: str) -> str:
    """A model's name for people."""
    return CATALOGUE[name].title if name in CATALOGUE else name


def is_here(name: str) -> bool:
    """Whether a model can be opened without a network."""
    entry = CATALOGUE.get(name)
    return bool(entry and entry.folder) or find_model(name) is not None


def catalogue_table() -> pd.DataFrame:
    """One row for each model offered."""
    return pd.DataFrame(
        [
            {
                "model": entry.title,
                "on this machine": is_here(entry.name),
                "parameters": f"{entry.parameters / 1e6:,.0f} M",
                "layers × heads": f"{entry.layers} × {entry.heads}",
                "download": gigabytes(entry.download) if entry.download else "none",
                "memory": gigabytes(entry.memory),
                "start token": entry.start_token,
                "licence": entry.licence,
            }
            for entry in (CATALOGUE[name] for name in offered())
        ]
    )


def now_open(selection: Selection) -> None:
    """The open model and where it runs."""
    model = model_of(selection)
    dtype = str(model.network.dtype).removeprefix("torch.")
    st.markdown(
        f"Now open: **{title(selection.model)}**, on {model.device.type.upper()} in {dtype}."
    )
    if model.notice:
        st.info(model.notice)


def choose_model(selection: Selection) -> str:
    """The name of the model to open or download; blank while a learner has typed none."""
    names = offered()
    first = "gpt2" if selection.model == "mini" else selection.model
    options = names if is_public() else [*names, ANOTHER]
    chosen = st.selectbox(
        "Model",
        options,
        index=options.index(first) if first in options else 0,
        format_func=lambda name: "Another one …" if name == ANOTHER else title(name),
        key="model_name",
    )
    if chosen != ANOTHER:
        entry = CATALOGUE[chosen]
        revision = f" Revision {entry.revision}." if entry.revision else ""
        st.caption(
            f"{entry.summary} Licence: {entry.licence}. On the command line: --model {chosen}."
            f"{revision}"
        )
        return chosen
    return st.text_input(
        "Name on the Hugging Face hub, or folder on this machine",
        placeholder="EleutherAI/pythia-70m-deduped, or /home/me/my-fine-tuned-gpt2",
        help="GPT-2, GPT-NeoX (Pythia), OPT, Qwen2, Llama and Mistral models can be read.",
        key="model_other",
    ).strip()


def open_model(selection: Selection, name: str) -> None:
    """Make ``name`` the open model, or say why not."""
    unload_models()  # the models before go first, so that two need not fit
    get_model(name)
    if not is_here(name):
        choose_folder(name)
    state.choose(replace(selection, model=name, layer=0, head=None))
    st.rerun()


def offer(selection: Selection, name: str) -> None:
    """What can be done with a model: open it, download it, mend it."""
    download = latest_download(name)
    if download is not None and download.running:
        return
    if not (is_here(name) or can_be_fetched(name) or place_named(name)):
        raise HeadlabError(
            f"{name} is neither a folder on this machine nor a name on the hub: check the path, or "
            "write the name as owner/name."
        )
    local = is_here(name) or place_named(name) is not None
    if local and name != selection.model and st.button(f"Open {title(name)}", type="primary"):
        open_model(selection, name)
    if not can_be_fetched(name):
        return
    entry = CATALOGUE.get(name)
    size = f" ({gigabytes(entry.download)})" if entry else ""
    label = "Check the files and mend them" if local else f"Download {title(name)}{size}"
    if st.button(label, type="secondary" if local else "primary"):
        start_download(name)
        st.session_state[WANTED] = name
        st.rerun()


def show_download(selection: Selection, name: str) -> None:
    """How far a download is; once it has ended, the page is drawn anew."""
    with guarded():
        download = latest_download(name)
        if download is None or not download.running:
            st.rerun()
            return
        share = download.done / download.total if download.total else 0.0
        st.progress(min(share, 1.0), text=download.progress_text())
        st.caption(
            "You can go on with the open model on the other pages meanwhile. Stopping stops it for "
            "everybody who waits for it; what has arrived is kept."
        )
        if st.button("Stop the download", disabled=download.cancelled):
            download.cancel()


def follow_download(selection: Selection, name: str) -> None:
    """The download of ``name`` while it runs, and what has become of it."""
    download = latest_download(name)
    if download is None:
        return
    if download.running:
        st.fragment(show_download, run_every=1.0)(selection, name)
    elif download.error is not None:
        st.error(download.error)
    elif st.session_state.get(WANTED) == name:
        del st.session_state[WANTED]
        open_model(selection, name)


def verify(selection: Selection) -> None:
    """Published figures of GPT-2 small, measured again on the open model if it is GPT-2 small."""
    st.subheader("Does it do what others measured?")
    if reason := nothing_to_compare(model_of(selection)):
        st.markdown(reason)
        return
    st.markdown(
        "Others have published what some heads of GPT-2 small do. Here their figures are measured "
        "again on the weights as loaded, each by its publisher's definition and on their input, "
        "also where headlab's own scores are defined otherwise. *Tolerance* is how far apart two "
        "measurements of the same weights may lie."
    )
    if rows := ready_comparisons(selection):
        show_comparisons(selection, rows)
    elif st.button("Measure the published figures again"):
        get_comparisons(selection)
        st.rerun()


def show_comparisons(selection: Selection, rows: list[Comparison]) -> None:
    """Ours beside theirs, a table for each measurement, and what they come to."""
    tell = st.success if all(row.within for row in rows) else st.warning
    tell(verdict(title(selection.model), rows))
    figure = st.column_config.NumberColumn(format="%.3f")
    for measurement in AGAIN:
        st.markdown(f"**{measurement.title}**: {measurement.definition}")
        st.dataframe(
            pd.DataFrame([row.as_row() for row in rows if row.measurement is measurement]),
            hide_index=True,
            height="content",
            key=f"published {measurement.name}",
            column_config=dict.fromkeys(("ours", "published", "tolerance"), figure),
        )
        words = measurement.input.words if measurement.input else ""
        st.caption(f"Source: {measurement.source}. Input: {words}.")


with start_page("Models") as selection:
    page_header(selection, "Models")
    st.markdown(
        "`mini` comes with headlab and needs no download. The others are fetched once from the "
        "Hugging Face hub and then open without a network. **Memory** is what a model takes on a "
        "CPU, in float32; the **start token** is put before every text."
    )
    now_open(selection)
    st.dataframe(
        catalogue_table(),
        hide_index=True,
        height="content",
        key="catalogue",
        column_config={
            "on this machine": st.column_config.CheckboxColumn(),
            "licence": st.column_config.TextColumn(width="medium"),
        },
    )
    name = choose_model(selection)
    if name:
        with guarded():
            offer(selection, name)
            follow_download(selection, name)
    with guarded():
        verify(selection)
