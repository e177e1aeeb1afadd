"""What happened when heads were removed: effect, next tokens, losses, other heads, self-repair."""

import math

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.evidence.published import MEASUREMENTS
from headlab.exercises.effects import size_of
from headlab.figures import (
    NO_TOOLBAR,
    control_figure,
    losses_figure,
    model_policy,
)
from headlab.interventions import Intervention
from headlab.interventions.replacing import Mode
from headlab.measuring.scoring import MIN_CHANGE
from headlab.models.tokens import visible
from headlab.ui.services.effects import get_attribution
from headlab.ui.services.results import ChosenText
from headlab.ui.services.selection import Selection
from headlab.ui.views.words import names_of, plain, quoted

MAX_CHANGES = 10

Found = dict[Mode, Intervention]


def what_happened(found: Found, predicted: str | None) -> None:
    """The effect, large, beside the same for random heads; the figures behind it are folded."""
    result = found["mean"]
    token = result.watched_texts[0]
    before, after = (math.exp(x[0]) for x in (result.logprobs_before, result.logprobs_after))
    size = size_of(after / before).name
    left, right = st.columns([3, 2], vertical_alignment="center", gap="medium")
    with left, st.container(key="effect"):
        st.markdown(f"## {before:.1%} → {after:.1%}")
        st.markdown(
            f"Without **{names_of(result.heads)}** the probability of {quoted(token)} {size}: "
            f"{beside_control(result)}."
        )
        if predicted is not None:
            say = st.success if predicted == size else st.warning
            say(f"You predicted: {predicted}. Measured: {size}.")
    with right:
        st.html(share_bar("as it is", before) + share_bar("without", after))
    with st.expander("The figures: loss and probability, mean and zero, and other heads"):
        figures(found)


def share_bar(name: str, share: float) -> str:
    """A probability as a bar with its name."""
    return (
        f"<div>{name}</div>"
        f'<div class="bar active large" role="img" aria-label="{name}: {share:.1%}">'
        f'<i style="width:{100 * share:.1f}%"></i><span>{share:.1%}</span></div>'
    )


def beside_control(result: Intervention) -> str:
    """How the change of the watched token compares with that of random heads, in words."""
    if result.control is None:
        return str(result.no_control)
    draws, n = len(result.control.heads), len(result.heads)
    share = float(result.to_frame()["logprob_beyond_control"].iloc[0])
    what = {1: "single heads", 2: "pairs of heads"}.get(n, f"sets of {n} heads")
    return f"a larger change than that of {round(share * draws)} of {draws} random {what}"


def figures(found: Found) -> None:
    """The exact effects as a table, and the loss beside that of random heads."""
    result = found["mean"]
    st.dataframe(
        effect_table(found),
        hide_index=True,
        alt="The effect on the loss and on the watched token, for mean and zero",
        column_config={
            "probability before": st.column_config.NumberColumn(format="percent"),
            "probability after": st.column_config.NumberColumn(format="percent"),
            "change of loss": st.column_config.NumberColumn(format="%+.3f"),
            "change of log-probability": st.column_config.NumberColumn(format="%+.3f"),
        },
    )
    st.caption(
        f"Mean: {found['mean'].replaced_by}. The loss is minus the logarithm of the probability of "
        "each token of the text, on average, in nats: above 0, the text surprises the model more. "
        "The control removes as many other heads of the same layers, drawn at random; an effect "
        "means something if it exceeds most draws."
    )
    rows = [
        (str(mode), one.loss_change, one.control.loss_change)
        for mode, one in found.items()
        if one.control is not None
    ]
    if rows:
        figure = control_figure(
            rows,
            f"Without {names_of(result.heads, 4)}, and without others",
            model_policy(result),
            "change of loss (nats)",
        )
        st.plotly_chart(
            figure,
            config=NO_TOOLBAR,
            key="control",
            alt="Change of loss beside that of random heads",
        )


def effect_table(found: Found) -> pd.DataFrame:
    """One row for each way of removing the heads, with what its control says."""
    rows = pd.concat([result.to_frame().head(1) for result in found.values()], ignore_index=True)
    controls = [result.control for result in found.values()]
    draws = [None if control is None else len(control.heads) for control in controls]
    return pd.DataFrame(
        {
            "instead of the heads": rows["mode"],
            "change of loss": rows["loss_change"],
            "exceeds": [
                result.no_control if n is None else f"{result.loss_beyond_control:.0%} of {n} draws"
                for result, n in zip(found.values(), draws, strict=True)
            ],
            "probability before": rows["probability_before"],
            "probability after": rows["probability_after"],
            "change of log-probability": rows["logprob_change"],
            "exceeds, watched token": [
                "" if n is None else f"{share:.0%} of draws"
                for share, n in zip(rows["logprob_beyond_control"], draws, strict=True)
            ],
        }
    )


def next_tokens(found: Found) -> None:
    """What the model expects after the text, before and after."""
    result = found["mean"]
    lists = {"as it is": result.top_before}
    lists |= {f"without ({mode})": one.top_after for mode, one in found.items()}
    table: dict[str, list[str] | list[float]] = {}
    for name, tokens in lists.items():
        table[name] = [visible(token.text) for token in tokens]
        table[f"share, {name}"] = [token.probability for token in tokens]
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        alt="The ten tokens expected most, before and after",
        column_config={
            name: st.column_config.ProgressColumn("probability", format="percent", max_value=1.0)
            for name in table
            if name.startswith("share")
        },
    )


def surprise(found: Found) -> None:
    """Where in the text the loss changes."""
    result = found["mean"]
    lines = [("as it is", result.losses_before)]
    lines += [(f"without ({mode})", one.losses_after) for mode, one in found.items()]
    figure = losses_figure(
        result.token_texts, lines, "How surprising each token is", model_policy(result)
    )
    st.plotly_chart(
        figure, config=NO_TOOLBAR, key="losses", alt="Loss of each token with and without the heads"
    )
    change = result.position_loss_change
    if np.isfinite(change).any():
        most = int(np.nanargmax(np.abs(change)))
        st.caption(
            f"The largest change (mean) is {change[most]:+.2f} nats, at position {most}, "
            f"{quoted(result.token_texts[most])}. The first token has no loss: nothing stands "
            "before it."
        )


def other_heads(result: Intervention) -> None:
    """Which other heads look elsewhere now."""
    table = result.moved_heads()
    if table.empty:
        st.markdown(
            f"No other head's score on this text changes by {MIN_CHANGE:g} or more: none of them "
            "looks elsewhere."
        )
        return
    table["behaviour"] = [get_behaviour(name).title for name in table["behaviour"]]
    n = len(table)
    changes = f"the {MAX_CHANGES} largest of {n} changes" if n > MAX_CHANGES else "all changes"
    st.markdown(
        "Heads in later layers read what earlier ones wrote. These look elsewhere now (mean); "
        f"{changes}:"
    )
    st.dataframe(
        table.head(MAX_CHANGES),
        hide_index=True,
        alt="Scores of other heads on this text before and after",
        column_config={
            name: st.column_config.NumberColumn(format="%.2f") for name in ("before", "after")
        }
        | {"change": st.column_config.NumberColumn(format="%+.2f")},
    )


def repair(selection: Selection, chosen: ChosenText, result: Intervention) -> None:
    """Whether other parts make up for what the removed heads wrote; said only if measured."""
    others = [token.token for token in result.top_before if token.token != result.watched[0]]
    if not others:
        return
    answer, wrong = result.watched[0], others[0]
    before = get_attribution(selection, chosen.text, answer, wrong)
    found = before.self_repair(get_attribution(selection, chosen.text, answer, wrong, result.heads))
    if not found.is_shown:
        return
    st.subheader("Other parts made up for it")
    named = ", ".join(f"{head} ({value:+.2f})" for head, value in found.helpers)
    st.markdown(
        f"The removed heads themselves wrote **{found.wrote:+.2f}** logits towards "
        f"{quoted(result.watched_texts[0])} and away from {quoted(before.wrong_text)}; the "
        f"difference between the two changed by only **{-found.lost:+.2f}**. Other parts made up "
        f"for **{found.made_up:.2f}** of it{', most of all ' + named if named else ''}."
    )
    published = next(m for m in MEASUREMENTS if m.name == "self_repair")
    figures = ", ".join(f"{head} {value:+.2f}" for head, value in published.values.items())
    st.caption(
        "This is called self-repair: a small effect of removal then does not show that a head does "
        f"nothing. Published for GPT-2 small, {plain(published.definition)}: {figures} logits. "
        f"Source: {plain(published.source)}."
    )
