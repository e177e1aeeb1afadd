"""The generator of structured English: repeatable, split honestly, right by construction."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def english() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "mini_english.py"
    spec = importlib.util.spec_from_file_location("mini_english", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mini_english"] = module
    spec.loader.exec_module(module)
    return module


def words_of(text: str) -> list[str]:
    return text.replace(".", " ").replace(",", " ").replace("?", " ").replace(":", " ").split()


def test_the_same_seed_gives_the_same_documents(english: ModuleType) -> None:
    first, second = random.Random(3), random.Random(3)
    assert [english.document(first) for _ in range(200)] == [
        english.document(second) for _ in range(200)
    ]


def test_there_are_enough_different_names(english: ModuleType) -> None:
    assert len(english.NAMES) == len(set(english.NAMES)) >= 120


@pytest.mark.parametrize("heldout", [False, True])
def test_every_fact_is_on_its_side_of_the_split(english: ModuleType, heldout: bool) -> None:
    rng = random.Random(5)
    for _ in range(300):
        statements, question, (answer, asked), *_ = english.facts_document(rng, heldout)
        assert asked
        entities = [
            entity
            for entity in [*english.NAMES, *(f"the {word}" for word in english.ENTITIES)]
            if f" {entity} ".lower() in f" {' '.join(words_of(question[0]))} ".lower()
        ]
        assert any(english.is_held_out(entity, answer.strip()) == heldout for entity in entities)
        assert answer.strip() in words_of(statements[0])


@pytest.mark.parametrize("heldout", [False, True])
def test_the_two_names_are_on_their_side_of_the_split(english: ModuleType, heldout: bool) -> None:
    rng = random.Random(6)
    for _ in range(300):
        prompt, answer = english.ioi_example(rng, heldout)
        names = [word for word in words_of(prompt) if word in english.NAMES]
        assert len(names) == 3 and len(set(names)) == 2
        assert names.count(answer.strip()) == 1
        assert english.is_held_out(*set(names)) == heldout


def test_the_last_word_of_a_fact_question_stands_before_no_attribute(english: ModuleType) -> None:
    rng = random.Random(7)
    for _ in range(1000):
        prompt, _ = english.facts_example(rng, heldout=True)
        words = words_of(prompt)
        before = {
            first for first, second in itertools.pairwise(words) if second in english.VALUE_WORDS
        }
        last = prompt.split()[-1]
        assert last not in before, prompt


def test_the_answer_is_the_word_stated_of_the_entity(english: ModuleType) -> None:
    rng = random.Random(8)
    checked = 0
    for _ in range(300):
        statements, (question, _), (answer, _), *_ = english.facts_document(rng, questions=1)
        named = [name for name in english.NAMES if name in words_of(question)]
        if len(named) == 1:
            (sentence,) = [s for s in statements[0].split(".") if named[0] in words_of(s)]
            assert answer.strip() in words_of(sentence)
            checked += 1
    assert checked > 200


def test_every_document_has_something_to_say(english: ModuleType) -> None:
    rng = random.Random(9)
    for _ in range(500):
        assert english.text_of(english.document(rng)).strip()
