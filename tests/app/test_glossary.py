"""The glossary explains every term once, and every behaviour of the registry with its sources."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from headlab.behaviours import behaviours
from headlab.evidence.references import REFERENCES, get_reference

ROOT = Path(__file__).resolve().parents[2]
TERMS = """
    Token, Start token, Layer, Attention head, Query, Key, Attention, Attention pattern, Sink lens,
    Behaviour, Probe text, Score, Chance, Excess, Threshold, Redraw, Interval,
    Role, Role confidence, Label, Tag, Stability, Holds in, Margin,
    Writing, Eigenvalue copying, Evidence ladder,
    Removal, Mean ablation, Control, Patching, Direct logit attribution, Self-repair,
    Path patching, Circuit, Faithfulness, Completeness, Corpus,
    Active, Quiet, Too little to tell, Cannot be triggered by this text, Shape hint,
    Entity and attribute, Sureness
"""
JARGON = """
    softmax residual unembedding OV QK bootstrap percentile entropy quantile NaN MLP
    LayerNorm BOS tensor BERT circuit
""".split()


@pytest.fixture(scope="module")
def page():
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    test.switch_page("pages/Glossary.py").run()
    assert not test.exception and not test.error
    return test


@pytest.fixture(scope="module")
def text(page):
    return "\n\n".join(block.value for block in page.main.markdown)


def test_every_term_is_explained_once(text):
    explained = re.findall(r"^\*\*([A-Z][\w -]+)\.\*\* \S", text, re.MULTILINE)
    named = [term.strip() for term in " ".join(TERMS.split()).split(",")]
    limits = [name for name in explained if name not in named]
    assert [name for name in explained if name in named] == named
    assert all(len(sentence.split()) > 4 for sentence in limits)  # they are whole sentences


@pytest.mark.parametrize("about", behaviours().values(), ids=lambda about: about.name)
def test_every_behaviour_stands_there_with_measure_sources_and_door(page, about):
    titles = [block.value for block in page.main.subheader]
    assert titles.count(about.title) == 1
    (card,) = [b.value for b in page.main.markdown if b.value.startswith(about.summary)]
    assert f"{about.threshold:g}" in card and about.measured_as in card
    assert about.asks.partition(";")[0] in card
    for name in about.sources:
        assert f"]({get_reference(name).url})" in card and name in card
    doors = {link.label: link for link in page.main.get("page_link")}
    door = doors[f"Heads ranked by {about.title.lower()}"]
    assert door.page == "Rankings" and f"behaviour={about.name}" in door.query_string


def test_behaviours_come_in_label_order(page):
    titles = [about.title for about in behaviours().values()]
    assert [block.value for block in page.main.subheader if block.value in titles] == titles


def test_every_publication_of_the_table_is_cited(text):
    cited = set(re.findall(r"\]\((https://[^)]+)\)", text))
    assert cited == {reference.url for reference in REFERENCES.values()}


def test_no_word_of_the_trade_stays_unexplained(text):
    ours = re.sub(r"\[[^]]*\]\([^)]*\)", "", text)  # titles of publications are not our words
    found = [word for word in JARGON if re.search(rf"\b{word}s?\b", ours)]
    assert found == []
