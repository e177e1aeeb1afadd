"""What a class answered, drawn from a board of records: sureness, misses, every question."""

from collections.abc import Sequence
from math import isnan

import pandas as pd
import streamlit as st

from headlab.exercises import Board
from headlab.exercises.board import QuestionBoard
from headlab.exercises.votes import Votes
from headlab.figures import NO_TOOLBAR, answers_figure, calibration_figure
from headlab.files import CSV_NOTE, to_csv
from headlab.languages import gettext as _
from headlab.languages import ngettext
from headlab.ui.views.words import plain

QUESTION = 720  # pixels of a column


def show_files(board: Board) -> None:
    """How many records there are, and what was left out and why."""
    n = len(board.records)
    said = ngettext("**{n} record** read", "**{n} records** read", n).format(n=n)
    if board.merged:
        said += _(", {n} repeated merged").format(n=board.merged)
    if board.left_out:
        said += _(", {n} left out").format(n=len(board.left_out))
    st.markdown(f"{said}.")
    for sentence in board.cautions:
        st.warning(plain(sentence))
    if board.left_out:
        with st.expander(_("Left out, and why")):
            st.dataframe(
                pd.DataFrame(board.left_out, columns=[_("file"), _("reason")]),
                hide_index=True,
                alt=_("Files that were left out and why"),
            )


def show_calibration(board: Board) -> None:
    """How sure the class was against how right."""
    rows = board.calibration()
    if not any(row.answers for row in rows):
        return
    figure = calibration_figure(
        [row.sureness for row in rows],
        [row.answers for row in rows],
        [row.right for row in rows],
        _("The class: how sure, how right"),
    )
    st.plotly_chart(
        figure,
        config=NO_TOOLBAR,
        key="calibration",
        alt=_("Share of right answers at each sureness"),
    )


def show_misses(board: Board) -> None:
    """Wrong answers that learners were sure of."""
    misses = board.confident_misses()
    if not misses:
        return
    st.subheader(_("Wrong while sure"))
    st.markdown(_("These answers are worth talking about: learners were sure of them."))
    table = [
        {
            _("learners"): miss.learners,
            _("answer"): miss.answer,
            _("question"): miss.question.ask,
            _("measured"): miss.question.key.text,
            _("sheet"): _("{sheet}, step {n}").format(
                sheet=miss.question.sheet_title, n=miss.question.step
            ),
        }
        for miss in misses
    ]
    st.dataframe(
        table,
        hide_index=True,
        column_config={_("question"): st.column_config.Column(width=QUESTION)},
        alt=_("Wrong answers given with high sureness"),
    )


def show_votes(votes: Votes) -> None:
    """Who was right before and after talking, and what was gained."""
    gained = (
        ""
        if isnan(votes.gain)
        else _(
            " Of what could be gained, {share} % was (normalised gain: the share of right answers "
            "that was added, of the share that was missing)."
        ).format(share=round(100 * votes.gain))
    )
    who = ngettext(
        "**Before and after talking**, {n} learner who voted twice.",
        "**Before and after talking**, {n} learners who voted twice.",
        votes.learners,
    )
    st.markdown(who.format(n=votes.learners) + gained)
    after = {
        _("right after"): [votes.stayed_right, votes.became_right],
        _("wrong after"): [votes.became_wrong, votes.stayed_wrong],
    }
    st.table(pd.DataFrame(after, index=[_("right before"), _("wrong before")]))
    with st.expander(_("By how sure they were at first")):
        st.dataframe(
            pd.DataFrame(
                {
                    _("sureness at first"): shift.sureness,
                    _("learners"): shift.learners,
                    _("changed their answer"): shift.changed,
                    _("right before"): shift.right_before,
                    _("right after"): shift.right_after,
                }
                for shift in votes.shifts
                if shift.learners
            ),
            hide_index=True,
            alt=_("Changes of answers by how sure learners were at first"),
        )


def show_question(question: QuestionBoard, index: int) -> None:
    """The answers to one question against what was measured."""
    part = _(" (transfer)") if question.part == "transfer" else ""
    where = _("{sheet}, step {n}: {title}").format(
        sheet=question.sheet_title, n=question.step, title=question.step_title
    )
    st.subheader(where + part)
    st.text(question.ask)
    graded = "" if question.key.graded else _(" (not graded)")
    answered, again = sum(question.first.values()), sum(question.revised.values())
    right = _("Right at first: **{n} of {all}**").format(n=question.right_first, all=answered)
    if again:
        revised = _("; of those who revised: {n} of {all}")
        right += revised.format(n=question.right_revised, all=again)
    st.markdown(f"{right}{graded}.")
    measured = _("Measured on {model}: {answer}")
    st.text(measured.format(model=question.setting.model, answer=question.key.text))
    if question.keys > 1:
        st.warning(_("The records disagree about the answer: they come from different versions."))
    answers = list(dict.fromkeys([*question.first, *question.second, *question.revised]))
    if answers:
        rounds = {
            _("first"): question.first,
            _("second"): question.second,
            _("revised"): question.revised,
        }
        counted = {
            name: [counts.get(answer, 0) for answer in answers]
            for name, counts in rounds.items()
            if counts or counts is question.first
        }
        figure = answers_figure(
            answers,
            counted,
            [answer in question.accepted for answer in answers],
            _("Answers: {rounds}").format(rounds=", ".join(counted)),
        )
        st.plotly_chart(
            figure,
            config=NO_TOOLBAR,
            key=f"answers {index}",
            alt=_("Answers to: {question}").format(question=question.ask),
        )
    if question.votes.learners:
        show_votes(question.votes)
    said = _("{missing} have not answered, {skipped} skipped it on purpose.")
    st.caption(said.format(missing=question.missing, skipped=question.skipped))


def show_missing(board: Board) -> None:
    """Who has not finished what."""
    missing = board.missing()
    if missing.empty:
        return
    with st.expander(_("Steps that are not finished")):
        st.dataframe(missing, hide_index=True, alt=_("Learners and steps that are not finished"))


def show_questions(questions: Sequence[QuestionBoard]) -> None:
    """Every question, or those of one sheet."""
    st.header(_("Question by question"))
    titles = list(dict.fromkeys(question.sheet_title for question in questions))
    sheet = st.selectbox(_("Sheet"), titles, key="class sheet")
    for index, question in enumerate(questions):
        if question.sheet_title == sheet:
            show_question(question, index)


def show_board(board: Board) -> None:
    """What the class answered: sureness, confident misses, every question, what is missing."""
    questions = board.questions()
    if not questions:
        if board.records:
            st.info(_("Nobody has answered anything in these records yet."))
        return
    show_calibration(board)
    show_misses(board)
    show_questions(questions)
    show_missing(board)


def downloads(board: Board) -> None:
    """The board as tables, if anybody has answered anything."""
    if not board.questions():
        return
    with st.container(horizontal=True):
        st.download_button(
            _("Download one row a learner (CSV)"),
            lambda: to_csv(board.by_learner()),
            "learners.csv",
            "text/csv",
            help=_("For a learning platform.") + f" {CSV_NOTE}",
        )
        st.download_button(
            _("Download all answers (CSV)"),
            board.to_csv,
            "class.csv",
            "text/csv",
            help=CSV_NOTE,
        )
