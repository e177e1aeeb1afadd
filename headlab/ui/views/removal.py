"""The Cause page's first view: remove heads, predict, and see what changes."""

import math

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.evidence.published import MEASUREMENTS
from headlab.exercises.effects import SIZES, size_of
from headlab.figures import (
    behaviour_map_figure,
    control_figure,
    effect_map_figure,
    losses_figure,
    model_policy,
    score_effect_figure,
)
from headlab.heads import Head
from headlab.interventions import Attribution, Intervention
from headlab.interventions.replacing import Mode
from headlab.models.tokens import visible
from headlab.profiles.profile import Profile
from headlab.report import REPORTED
from headlab.ui.services import state
from headlab.ui.services.results import (
    ChosenText,
    get_attribution,
    get_model,
    get_profile,
    get_removal,
    get_sweep,
    ready_profile,
)
from headlab.ui.services.state import Selection
from headlab.ui.views.text_choice import choose_text
from headlab.ui.views.words import plain, quoted

MAX_CHANGES = 10
MIN_CHANGE = 0.05  # of a score; smaller changes are not listed
PREDICTIONS = "predicted effects"

Found = dict[Mode, Intervention]


def removal_view(selection: Selection) -> None:
    """Choose heads and what to watch; predict; see."""
    st.markdown(
        "The text is read twice: as it is, and with what the chosen heads write replaced. What "
        "changes is what these heads do here. **Mean** puts in what each head writes on average, "
        "so the rest of the model sees nothing unusual; **zero** puts in nothing at all."
    )
    chosen = choose_text(selection, lens=False)
    choose_removed(selection)
    if chosen is None:
        return
    if not selection.removed:
        st.info("Choose one or more heads to remove.")
        return
    watch = watched_token(selection, chosen)
    found = {mode: get_removal(selection, chosen, mode, watch) for mode in REPORTED}
    if not is_predicted(selection, chosen, found["mean"]):
        return
    st.header("What happened")
    what_happened(selection, chosen, found)
    next_tokens(found)
    surprise(found)
    other_heads(found["mean"])
    taken_over(selection, chosen, found["mean"])
    every_head(selection, chosen, found["mean"])


def choose_removed(selection: Selection) -> None:
    """The heads to remove: by name, by role, or the one last looked at."""
    model, profile = get_model(selection.model), ready_profile(selection)
    names = [
        str(Head(layer, head)) for layer in range(model.n_layers) for head in range(model.n_heads)
    ]
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.multiselect(
        "Heads to remove",
        names,
        format_func=lambda name: (
            name if profile is None else f"{name}: {profile.label_text(*Head.parse(name))}"
        ),
        **state.bound(
            "removed_names",
            [str(head) for head in selection.removed],
            lambda chosen: {"removed": tuple(sorted(Head.parse(name) for name in chosen))},
        ),
    )
    looked_at = None if selection.head is None else Head(selection.layer, selection.head)
    if profile is not None:
        roles = [name for name, top in profile.top_heads.items() if top]
        right.selectbox(
            "Or all that lead in one behaviour",
            roles,
            index=None,
            placeholder="choose a behaviour",
            format_func=lambda name: get_behaviour(name).title,
            **state.bound(
                "removed_role",
                None,
                lambda name: {
                    "removed": tuple(
                        sorted(Head.parse(top["head"]) for top in profile.top_heads[name])
                    )
                },
            ),
        )
    if looked_at is not None and looked_at not in selection.removed:
        st.button(
            f"Add {looked_at}, the head you looked at",
            on_click=lambda: state.change(removed=tuple(sorted({*selection.removed, looked_at}))),
        )


def leading(profile: Profile, behaviour: str) -> tuple[Head, ...]:
    """The heads that lead in a behaviour, in order."""
    return tuple(sorted(Head.parse(top["head"]) for top in profile.top_heads[behaviour]))


def watched_token(selection: Selection, chosen: ChosenText) -> str | None:
    """The next token to follow, as it stands in a text; None for the one expected most."""
    word = st.text_input(
        "Watch this next token",
        placeholder="blank: the token that the model expects most after the text",
        help="One token. A word is taken with the space in front that it has inside a text.",
        max_chars=40,
        **state.bound("watch", selection.watch),
    )
    return as_token(word, chosen.text)


def as_token(word: str, text: str) -> str | None:
    """A word to watch as it would stand after a text; None if there is none."""
    if not word.strip():
        return None
    inside = word[0].isalnum() and not text[-1:].isspace()
    return f" {word}" if inside else word


def is_predicted(selection: Selection, chosen: ChosenText, result: Intervention) -> bool:
    """Ask what will happen before it is shown; True once that is committed or declined."""
    token, before = result.watched_texts[0], math.exp(result.logprobs_before[0])
    case = case_of(selection, chosen, result)
    predictions = st.session_state.setdefault(PREDICTIONS, {})
    if case in predictions:
        return True
    state.empty_for(case, {"prediction": None})
    st.header("Predict first")
    st.markdown(
        f"After this text the model gives {quoted(token)} a probability of **{before:.1%}**. "
        f"Without **{names_of(result.heads)}** (mean), that probability …"
    )
    size = st.radio(
        "Your prediction",
        [size.name for size in SIZES],
        index=None,
        help="Hardly means: by at most a tenth of what it was.",
        key="prediction",
    )
    left, right = st.columns(2)
    if left.button("Lock my prediction", type="primary", disabled=size is None):
        predictions[case] = size
        st.rerun()
    if right.button("Show it without a prediction", type="tertiary"):
        predictions[case] = None
        st.rerun()
    return False


def case_of(selection: Selection, chosen: ChosenText, result: Intervention) -> str:
    """What tells one prediction from another."""
    start = selection.start_token
    return f"{result.model_name} {start} {chosen.text} {result.heads} {result.watched_texts[0]}"


def what_happened(selection: Selection, chosen: ChosenText, found: Found) -> None:
    """The effect in words and figures, beside the same for random heads."""
    result = found["mean"]
    token = result.watched_texts[0]
    before, after = (math.exp(x[0]) for x in (result.logprobs_before, result.logprobs_after))
    size = size_of(after / before).name
    st.markdown(
        f"Without **{names_of(result.heads)}** the probability of {quoted(token)} {size}: from "
        f"**{before:.1%}** to **{after:.1%}**."
    )
    predicted = st.session_state[PREDICTIONS].get(case_of(selection, chosen, result))
    if predicted is not None:
        say = st.success if predicted == size else st.warning
        say(f"You predicted: {predicted}. Measured: {size}.")
    st.dataframe(
        pd.DataFrame([effect_row(mode, one) for mode, one in found.items()]),
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
        st.plotly_chart(figure, key="control", alt="Change of loss beside that of random heads")


def effect_row(mode: Mode, result: Intervention) -> dict[str, object]:
    """One row: the effect under one mode, with its control."""
    beyond = result.loss_beyond_control
    control = result.control
    return {
        "instead of the heads": mode,
        "change of loss": result.loss_change,
        "exceeds": (
            result.no_control if control is None else f"{beyond:.0%} of {len(control.heads)} draws"
        ),
        "probability before": math.exp(result.logprobs_before[0]),
        "probability after": math.exp(result.logprobs_after[0]),
        "change of log-probability": result.logprob_change[0],
        "exceeds, watched token": (
            "" if control is None else f"{result.logprob_beyond_control[0]:.0%} of draws"
        ),
    }


def next_tokens(found: Found) -> None:
    """What the model expects after the text, before and after."""
    st.subheader("What the model expects next")
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
    st.subheader("Where in the text it matters")
    result = found["mean"]
    lines = [("as it is", result.losses_before)]
    lines += [(f"without ({mode})", one.losses_after) for mode, one in found.items()]
    figure = losses_figure(
        result.token_texts, lines, "How surprising each token is", model_policy(result)
    )
    st.plotly_chart(figure, key="losses", alt="Loss of each token with and without the heads")
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
    st.subheader("What other heads do now")
    rows = [
        {
            "head": str(Head(layer, head)),
            "behaviour": get_behaviour(name).title,
            "before": result.scores_before[name][layer, head],
            "after": result.scores_after[name][layer, head],
            "change": change[layer, head],
        }
        for name, change in result.score_changes.items()
        for layer, head in np.argwhere(np.abs(change) >= MIN_CHANGE).tolist()
        if Head(layer, head) not in result.heads
    ]
    if not rows:
        st.markdown(
            f"No other head's score on this text changes by {MIN_CHANGE:g} or more: none of them "
            "looks elsewhere."
        )
        return
    table = pd.DataFrame(rows).sort_values("change", key=np.abs, ascending=False)
    st.markdown(
        "Heads in later layers read what earlier ones wrote. These look elsewhere now (mean); "
        f"the {min(MAX_CHANGES, len(table))} largest of {len(table)} changes:"
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


def taken_over(selection: Selection, chosen: ChosenText, result: Intervention) -> None:
    """Whether other parts make up for what the removed heads wrote; said only if measured."""
    others = [token.token for token in result.top_before if token.token != result.watched[0]]
    if not others:
        return
    answer, wrong = result.watched[0], others[0]
    before = get_attribution(selection, chosen.text, answer, wrong)
    after = get_attribution(selection, chosen.text, answer, wrong, result.heads)
    wrote = direct(before, result.heads) - direct(after, result.heads)
    lost = float(before.difference[-1] - after.difference[-1])
    made_up = wrote - lost
    if abs(wrote) < 0.1 or made_up / wrote < 0.5:
        return
    st.subheader("Other parts made up for it")
    change = after.heads[:, :, -1] - before.heads[:, :, -1]
    change[tuple(np.array(result.heads).T)] = 0
    best = np.argsort(-change * np.sign(wrote), axis=None)[:3]
    helpers = [(Head(*map(int, np.unravel_index(i, change.shape))), change.flat[i]) for i in best]
    named = ", ".join(f"{head} ({value:+.2f})" for head, value in helpers if value * wrote > 0)
    st.markdown(
        f"The removed heads themselves wrote **{wrote:+.2f}** logits towards "
        f"{quoted(result.watched_texts[0])} and away from {quoted(before.wrong_text)}; the "
        f"difference between the two changed by only **{-lost:+.2f}**. Other parts made up for "
        f"**{made_up:.2f}** of it{', most of all ' + named if named else ''}."
    )
    published = next(m for m in MEASUREMENTS if m.name == "self_repair")
    figures = ", ".join(f"{head} {value:+.2f}" for head, value in published.values.items())
    st.caption(
        "This is called self-repair: a small effect of removal then does not show that a head does "
        f"nothing. Published for GPT-2 small, {plain(published.definition)}: {figures} logits. "
        f"Source: {plain(published.source)}."
    )


def direct(parts: Attribution, heads: tuple[Head, ...]) -> float:
    """What these heads write directly at the end of the text, in logits."""
    return float(sum(parts.heads[head.layer, head.head, -1] for head in heads))


def every_head(selection: Selection, chosen: ChosenText, result: Intervention) -> None:
    """The effect of every head beside its score."""
    st.subheader("Every head, removed in turn")
    token = quoted(result.watched_texts[0])
    of_token = f"the probability of {token}"
    wanted = st.radio(
        "Show the effect on",
        ["loss", "token"],
        index=None,
        horizontal=True,
        format_func=lambda name: "the loss of the text" if name == "loss" else of_token,
        key="sweep of",
    )
    if wanted is None:
        st.caption("Choose one: the text is then read once for each head of the model.")
        return
    watch = None if wanted == "loss" else int(result.watched[0])
    sweep = get_sweep(selection, chosen.text, watch)
    value = "change of loss (nats)" if watch is None else "change of log-probability (nats)"
    profile = get_profile(selection)
    measured = [name for name in profile.behaviours if np.isfinite(profile.score[name]).any()]
    name = st.selectbox(
        "Beside it, the score for",
        measured,
        index=measured.index(selection.behaviour) if selection.behaviour in measured else 0,
        format_func=lambda name: get_behaviour(name).title,
        key="beside the sweep",
    )
    left, right = st.columns(2)
    with left:
        figure = effect_map_figure(
            sweep.effect, "Effect of removing it", model_policy(result), value
        )
        st.plotly_chart(figure, key="sweep", alt=f"Every head's {value}, layer by head")
    with right:
        st.plotly_chart(
            behaviour_map_figure(profile, name).update_layout(height=460),
            key="scores",
            alt=f"Every head's score for {get_behaviour(name).title}",
        )
    st.plotly_chart(
        score_effect_figure(profile, name, sweep.effect, value),
        key="score and effect",
        alt="Every head by score and by effect",
    )
    score_without_effect(profile.value(name), name, sweep.effect)


def score_without_effect(value: np.ndarray, name: str, effect: np.ndarray) -> None:
    """How many heads score high and hardly matter here."""
    about = get_behaviour(name)
    passing = value >= about.threshold
    if not passing.any():
        st.caption(f"No head passes the threshold of {about.title.lower()}.")
        return
    quiet = passing & (np.abs(effect) < np.nanmedian(np.abs(effect)))
    st.caption(
        f"{int(passing.sum())} heads pass the threshold of {about.title.lower()} (the dotted "
        f"line). {int(quiet.sum())} of them matter less here than half of all heads do: a high "
        "score says where a head looks, not that this text needs it."
    )


def names_of(heads: tuple[Head, ...], most: int = 12) -> str:
    """The heads in a sentence."""
    more = f" and {len(heads) - most} more" if len(heads) > most else ""
    return ", ".join(map(str, heads[:most])) + more
