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
from headlab.ui.views.words import plain


def show_files(board: Board) -> None:
    """How many records there are, and what was left out and why."""
    n = len(board.records)
    merged = f", {board.merged} repeated merged" if board.merged else ""
    left_out = f", {len(board.left_out)} left out" if board.left_out else ""
    st.markdown(f"**{n} {'record' if n == 1 else 'records'}** read{merged}{left_out}.")
    for sentence in board.cautions:
        st.warning(plain(sentence))
    if board.left_out:
        with st.expander("Left out, and why"):
            st.dataframe(
                pd.DataFrame(board.left_out, columns=["file", "reason"]),
                hide_index=True,
                alt="Files that were left out and why",
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
        "The class: how sure, how right",
    )
    st.plotly_chart(
        figure, config=NO_TOOLBAR, key="calibration", alt="Share of right answers at each sureness"
    )


def show_misses(board: Board) -> None:
    """Wrong answers that learners were sure of."""
    misses = board.confident_misses()
    if not misses:
        return
    st.subheader("Wrong while sure")
    st.markdown("These answers are worth talking about: learners were sure of them.")
    table = [
        {
            "learners": miss.learners,
            "answer": miss.answer,
            "question": miss.question.ask,
            "measured": miss.question.key.text,
            "sheet": f"{miss.question.sheet_title}, step {miss.question.step}",
        }
        for miss in misses
    ]
    st.dataframe(table, hide_index=True, alt="Wrong answers given with high sureness")


def show_votes(votes: Votes) -> None:
    """Who was right before and after talking, and what was gained."""
    gained = (
        ""
        if isnan(votes.gain)
        else f" Of what could be gained, {round(100 * votes.gain)} % was (normalised gain: the "
        "share of right answers that was added, of the share that was missing)."
    )
    who = "1 learner" if votes.learners == 1 else f"{votes.learners} learners"
    st.markdown(f"**Before and after talking**, {who} who voted twice.{gained}")
    after = {
        "right after": [votes.stayed_right, votes.became_right],
        "wrong after": [votes.became_wrong, votes.stayed_wrong],
    }
    st.table(pd.DataFrame(after, index=["right before", "wrong before"]))
    with st.expander("By how sure they were at first"):
        st.dataframe(
            pd.DataFrame(
                {
                    "sureness at first": shift.sureness,
                    "learners": shift.learners,
                    "changed their answer": shift.changed,
                    "right before": shift.right_before,
                    "right after": shift.right_after,
                }
                for shift in votes.shifts
                if shift.learners
            ),
            hide_index=True,
            alt="Changes of answers by how sure learners were at first",
        )


def show_question(question: QuestionBoard, index: int) -> None:
    """The answers to one question against what was measured."""
    part = " (transfer)" if question.part == "transfer" else ""
    st.subheader(f"{question.sheet_title}, step {question.step}: {question.step_title}{part}")
    st.text(question.ask)
    graded = "" if question.key.graded else " (not graded)"
    answered, again = sum(question.first.values()), sum(question.revised.values())
    revised = f"; of those who revised: {question.right_revised} of {again}" if again else ""
    st.markdown(f"Right at first: **{question.right_first} of {answered}**{revised}{graded}.")
    st.text(f"Measured on {question.setting.model}: {question.key.text}")
    if question.keys > 1:
        st.warning("The records disagree about the answer: they come from different versions.")
    answers = list(dict.fromkeys([*question.first, *question.second, *question.revised]))
    if answers:
        rounds = {"first": question.first, "second": question.second, "revised": question.revised}
        counted = {
            name: [counts.get(answer, 0) for answer in answers]
            for name, counts in rounds.items()
            if counts or name == "first"
        }
        figure = answers_figure(
            answers,
            counted,
            [answer in question.accepted for answer in answers],
            f"Answers: {', '.join(counted)}",
        )
        st.plotly_chart(
            figure, config=NO_TOOLBAR, key=f"answers {index}", alt=f"Answers to: {question.ask}"
        )
    if question.votes.learners:
        show_votes(question.votes)
    st.caption(f"{question.missing} have not answered, {question.skipped} skipped it on purpose.")


def show_missing(board: Board) -> None:
    """Who has not finished what."""
    missing = board.missing()
    if missing.empty:
        return
    with st.expander("Steps that are not finished"):
        st.dataframe(missing, hide_index=True, alt="Learners and steps that are not finished")


def show_questions(questions: Sequence[QuestionBoard]) -> None:
    """Every question, or those of one sheet."""
    st.header("Question by question")
    titles = list(dict.fromkeys(question.sheet_title for question in questions))
    sheet = st.selectbox("Sheet", titles, key="class sheet")
    for index, question in enumerate(questions):
        if question.sheet_title == sheet:
            show_question(question, index)


def show_board(board: Board) -> None:
    """What the class answered: sureness, confident misses, every question, what is missing."""
    questions = board.questions()
    if not questions:
        if board.records:
            st.info("Nobody has answered anything in these records yet.")
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
            "Download one row a learner (CSV)",
            lambda: to_csv(board.by_learner()),
            "learners.csv",
            "text/csv",
            help=f"For a learning platform. {CSV_NOTE}",
        )
        st.download_button(
            "Download all answers (CSV)",
            board.to_csv,
            "class.csv",
            "text/csv",
            help=CSV_NOTE,
        )
