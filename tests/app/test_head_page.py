"""The Head page: one head or two, exactly as the engine measures them."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from headlab import composition, explain_attention, load_model, profile_model, read_text
from headlab.evidence.ladder import evidence_ladder
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.measuring.pictures import without_first
from headlab.models.circuits import eigenvalue_copying, written_tokens
from headlab.profiles.corpus import kept_corpus, passages
from headlab.report.dashboards import row_html
from tests.app.test_pages import opened, sentences
from tests.app.test_predict import hand_in

TEXT = "cat-on-the-mat"


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


@pytest.fixture(scope="module")
def reading(model):
    return read_text(model, guided_texts()[TEXT].text)


def head_page(tab: str = "", **query: str) -> AppTest:
    test = opened("pages/Head.py", text=TEXT, **query)
    if tab:
        test.session_state["heads tab" if "beside" in query else "head tab"] = tab
        test.run()
    assert not test.exception and not test.error
    return test


def said(test: AppTest) -> str:
    return "\n".join(block.value for block in (*test.markdown, *test.caption, *test.info))


def table(test: AppTest, column: str):
    return [frame.value for frame in test.dataframe if column in frame.value.columns]


def values(test: AppTest) -> np.ndarray:
    """The picture as a table; its columns are tokens by position."""
    frames = [frame.value for frame in test.dataframe]
    (shown,) = [frame for frame in frames if str(frame.columns[0]).startswith("0 ")]
    return shown.to_numpy(dtype=float)


def test_the_table_holds_the_engine_s_values(reading):
    test = head_page("Values", layer="3", head="7")
    shown = values(test)
    below = np.tri(len(reading.tokens), dtype=bool)
    assert shown[below] == pytest.approx(reading.pattern(3, 7)[below], abs=5e-5)
    assert np.isnan(shown[~below]).all()


def test_the_lens_says_what_was_left(reading):
    rest, left = without_first(reading.pattern(3, 7))
    test = head_page("Values", layer="3", head="7", lens="on")
    assert f"{left[1:].mean():.1%} of this head's attention is left" in said(test)
    assert values(test)[5, 2] == pytest.approx(rest[5, 2], abs=5e-5)
    assert (table(test, "attention")[0]["key"] > 0).all()


def test_outlined_cells_come_with_their_share(reading):
    test = head_page(layer="4", head="6", behaviour="induction")
    score = reading.scores["induction"][4, 6]
    rows = reading.rows["induction"]
    assert f"In the {rows} rows with outlined cells this head puts {score:.1%}" in said(test)
    test.selectbox(key="behaviour").set_value("retrieval").run()
    assert "no cells for retrieval" in said(test)
    assert test.query_params["behaviour"] == "retrieval"


def test_the_passport_names_sentence_pairs_and_similar_heads(model, reading):
    profile = profile_model(model)
    test = head_page(layer="3", head="7")
    assert profile.sentence(3, 7) in said(test)
    test = head_page("Values", layer="3", head="7")
    pairs = table(test, "attention")[0]
    first = pairs.iloc[0]
    assert first["attention"] == pytest.approx(reading.pattern(3, 7)[first["query"], first["key"]])
    assert len(pairs) == 10
    test = head_page("Heads like it", layer="3", head="7")
    labels = [link.label for link in test.get("page_link")]
    for name in profile.similar(3, 7)["name"]:
        assert any(label.startswith(f"{name}: ") for label in labels)


def test_a_head_without_publications_says_nothing_about_them():
    assert "Published about this head" not in said(head_page("Heads like it", layer="5", head="1"))


def test_published_marks_stand_on_the_passport_of_gpt2(monkeypatch, model):
    profile = replace(profile_model(model), model_name="gpt2")
    monkeypatch.setattr("headlab.ui.services.results.get_profile", lambda _: profile)
    told = said(head_page("Heads like it", layer="5", head="1"))
    assert "Published about this head" in told and "0.907" in told and "TransformerLens" in told


def test_two_heads_stand_beside_each_other_and_can_be_swapped_and_pinned(model):
    profile = profile_model(model)
    test = head_page(layer="0", head="0", beside="L11.H7")
    headings = [block.value for block in test.subheader]
    assert headings == [
        f"L0.H0: {profile.label_text(0, 0)}",
        f"L11.H7: {profile.label_text(11, 7)}",
    ]
    assert any("Orange: L0.H0 looks there more" in block.value for block in test.caption)
    next(button for button in test.button if button.label == "Swap").click().run()
    assert [block.value[:7] for block in test.subheader] == ["L11.H7:", "L0.H0: "]
    next(button for button in test.button if button.label == "Pin").click().run()
    test.selectbox(key="head_name").set_value("L5.H1").run()
    assert [block.value.split(":")[0] for block in test.subheader] == ["L5.H1", "L11.H7"]
    test.selectbox(key="beside_name").set_value("none").run()
    assert "beside" not in test.query_params


def test_a_head_beside_itself_gets_a_sentence():
    test = head_page(layer="5", head="1", beside="L5.H1")
    assert "L5.H1 is pinned: choose another head" in said(test)
    assert [block.value.split(":")[0] for block in test.subheader] == ["L5.H1"]


def test_why_it_looks_there_is_the_engine_s_and_predicted_first(model, reading):
    query = 9
    key = int(reading.pattern(3, 5)[query, 1 : query + 1].argmax()) + 1
    test = head_page("Why there", layer="3", head="5", token=str(query))
    why = explain_attention(model, reading.text, "L3.H5", query, key)
    assert f"puts **{why.attention:.0%}** of its attention" in said(test)
    assert f"{why.contrast:+.2f} above the mean of the row" in said(test)
    part, much = why.shares("key")[0]
    bars = "".join(block.proto.body for block in test.get("html"))
    assert f"{part} adds {much:+.2f}" in bars
    assert "You predicted" not in "".join(b.value for b in (*test.success, *test.warning))
    next(pills for pills in test.pills if "Without" in pills.label).set_value(
        "looks there less"
    ).run()
    next(button for button in test.button if button.label == "Take it out").click().run()
    found = why.without(part, "key")
    (verdict,) = [b.value for b in (*test.success, *test.warning) if "You predicted" in b.value]
    assert f"goes from {found.before[key]:.0%} to {found.after[key]:.0%}" in verdict


@pytest.mark.parametrize("token", ["500", "-2"])
def test_a_token_outside_the_text_is_the_nearest_one(token):
    assert not sentences(head_page(layer="1", head="1", token=token))


def test_a_long_text_shows_the_row_of_the_chosen_token(model):
    text = "word " * 110
    test = opened("pages/Head.py", own=text, layer="1", head="1", token="5")
    test.session_state["head tab"] = "Values"
    test.run()
    assert not test.exception and not test.error
    reading = read_text(model, text)
    (row,) = values(test)
    assert row[:6] == pytest.approx(reading.pattern(1, 1)[5, :6], abs=5e-5)
    assert "This text is long" in said(test)


def test_the_heads_it_is_wired_to_are_the_engine_s(model):
    test = head_page("Wired to", layer="3", head="5")
    best = composition(model).into("L3.H5", "key").iloc[0]
    labels = [link.label for link in test.get("page_link")]
    assert any(label.startswith(f"{best['head']}: {best['excess']:+.0f} (") for label in labels)


def test_the_corpus_of_mini_is_ready(model):
    kept = kept_corpus(model, passages())
    assert kept is not None, "run `python scripts/ship_profiles.py mini` again and commit the file"
    test = head_page("Over a corpus", layer="3", head="5")
    bodies = "".join(block.proto.body for block in test.get("html"))
    assert row_html(kept.of("L3.H5")[0]) in bodies
    assert f"{kept.n_tokens:,} tokens of {kept.n_passages} passages" in said(test)


def test_what_the_head_writes_is_the_engine_s(model, reading):
    test = head_page("What it writes", layer="3", head="7", token="3")
    (shown,) = table(test, "raises")
    written = written_tokens(model, reading.tokens, 3, Head(3, 7))
    visible = [text.replace(" ", "·").replace("\n", "↵") for text, _ in written.raised]
    assert list(shown["raises"]) == visible
    assert list(shown["by"]) == pytest.approx([much for _, much in written.raised])
    assert list(shown["by "]) == pytest.approx([much for _, much in written.lowered])
    assert "What L3.H7 writes when it looks at token" in said(test)
    assert f"eigenvalue copying {eigenvalue_copying(model)[3, 7]:+.2f}" in said(test)


def test_the_passport_holds_the_ladder_of_label_and_roles(model, reading):
    profile = profile_model(model)
    test = head_page("What speaks for it", layer="3", head="5")
    assert "what speaks for “retrieval”" in said(test)
    for step in evidence_ladder(profile, Head(3, 5), "retrieval", reading):
        assert f"{step.number}. " in said(test) and f"{step.title}: {step.status}" in said(test)
    assert any("What speaks for “induction”" in box.label for box in test.expander)
    unclassified = Head(*map(int, np.argwhere(profile.label == "unclassified")[0]))
    test = head_page(layer=str(unclassified.layer), head=str(unclassified.head))
    assert "Evidence ladder" not in said(test)


def test_rungs_4_and_5_are_measured_when_asked_for():
    test = head_page("What speaks for it", layer="0", head="0")
    assert "When it is removed: not measured" in said(test)
    button = next(b for b in test.button if b.label == "Measure what removing it does")
    button.click().run()
    assert not test.exception and not test.error
    assert "When it is removed: passed" in said(test) and "On texts held out: passed" in said(test)


def test_a_corpus_of_one_s_own_is_read_and_kept_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))
    words = " ".join(["The cat sat on the mat and the dog sat on the rug."] * 12)
    source = "\r\n\r\n".join([words, words.replace("cat", "bird"), words.replace("dog", "man")])
    test = head_page("Over a corpus", layer="3", head="5")
    hand_in(test, "corpus file", "mine.txt", source.encode())
    assert "your passages" in said(test)
    next(each for each in test.button if each.label == "Read the corpus").click().run()
    assert not test.exception and "of 3 passages" in said(test)
    assert not list(tmp_path.rglob("*.json.gz"))
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    hand_in(test, "corpus file", "long.txt", b"word " * 50_000)
    assert "may have 200 kB" in sentences(test)
    hand_in(test, "corpus file", "empty.txt", b"  ")
    assert "holds no text" in sentences(test)
