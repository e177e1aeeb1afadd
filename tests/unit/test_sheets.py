"""Sheets are read or refused with one sentence that names file, line and remedy."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlab import Detector, HeadlabError
from headlab.exercises import Sheet, read_sheet, sheets
from headlab.exercises.kinds import kinds
from headlab.exercises.measures import MEASURES
from headlab.exercises.mistakes import FORBIDDEN
from headlab.exercises.sheets import FOLDER, template
from headlab.exercises.toml_file import MAX_BYTES

ROOT = Path(__file__).resolve().parents[2]
GOOD = template("mine")
GUIDE = (ROOT / "docs" / "EXERCISES.md").read_text(encoding="utf-8")
SHIPPED = sorted(FOLDER.glob("*.toml"))
FAMOUS = {"L0.H0", "L11.H7", "L0.H1", "L5.H1"}


def refusal(source, name="mine"):
    with pytest.raises(HeadlabError) as error:
        read_sheet(source, name)
    return str(error.value)


def test_the_template_is_a_sheet():
    sheet = read_sheet(GOOD, "mine")
    assert (sheet.name, len(sheet.steps), sheet.minutes) == ("mine", 1, 5)
    step = sheet.steps[0]
    assert step.question.text.guided and not step.transfer.text.guided
    assert replace(step.transfer, text=step.question.text, ask=step.question.ask) == step.question


def test_the_example_of_the_guide_is_a_sheet():
    example, *_ = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    sheet = read_sheet(example, "example")
    assert [step.question.kind for step in sheet.steps] == ["which layer", "which shape"]
    assert sheet.steps[1].question.generic.head == "top:previous_token"


def test_the_guide_names_every_kind_and_measure():
    assert [name for name in (*kinds(), *MEASURES) if f'`"{name}"`' not in GUIDE] == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("minutes = 5", "minutes = ", r"mine\.toml, line 7, column \d+: this is no TOML"),
        ("minutes = 5", 'minutes = "5"', r"'minutes' must be a whole number from 1 to 120"),
        ("title = ", "titel = ", r"Unknown key 'titel'\. Did you mean 'title'"),
        ('level = "first steps"', 'level = "easy"', r"Unknown level 'easy'"),
        ('measure = "score"', 'measure = "scores"', r"Unknown measure 'scores'\. Did you mean"),
        ('measure = "score"', "", r"'measure' is missing"),
        ('behaviour = "induction"', 'behaviour = "inducton"', r"Did you mean 'induction'"),
        ('behaviour = "induction"', 'behaviour = "copying"', r"one text cannot show copying"),
        ('behaviour = "induction"', "", r"needs 'behaviour'"),
        ('kind = "which layer"', 'kind = "which leyer"', r"Did you mean 'which layer'"),
        ('kind = "which layer"', 'kind = "how many heads"', r"needs 'layer'"),
        ('kind = "which layer"', 'kind = "which layer"\nlayer = 3', r"'layer' means nothing"),
        ('kind = "which layer"', 'kind = "which head"\nlayer = 99999', r"99999 is no layer"),
        ('kind = "which layer"', 'kind = "which head"\nlayer = 7', r"names layer 7.*generic"),
        ('text = "cat-on-the-mat"', 'text = "cat-on-the-matt"', r"Did you mean 'cat-on-the-mat'"),
        ('explore = "shopping"', 'explore = "cat-on-the-mat"', r"must be another text"),
        ('text = "dog"', 'text = "cat-on-the-mat"', r"asks the same as the question"),
        ('hints = ["A first hint.", "A second one, which says more."]', "hints = []", r"'hints'"),
        ("{answer}", "{anser}", r"Unknown placeholder 'anser'\. Did you mean 'answer'"),
        ("What to look at while", "{top:inducton}", None),
        ('dog = "A small', 'dog = "\\u0007A small', r"Character 1 of the text is a control"),
        ("dog = ", "trophy = ", r"'trophy' is the name of a guided text"),
        ('title = "My first sheet"', 'title = "  "', r"'title' must be a text"),
        ('title = "My first sheet"', f'title = "{"x" * 2001}"', r"at most 2,000 characters"),
        ("[[steps]]", "[steps]", r"\[\[steps\]\]"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(old, new, words):
    assert old in GOOD
    source = GOOD.replace(old, new, 1)
    if words is None:  # braces mean nothing outside questions, hints and explanations
        read_sheet(source)
        return
    message = refusal(source)
    assert re.search(words, message) and message.startswith("mine.toml")
    assert len(message.splitlines()) == 1


def test_the_line_is_the_line():
    source = GOOD.replace('behaviour = "induction"', 'behaviour = "inducton"')
    line = 1 + source.splitlines().index('behaviour = "inducton"')
    assert f"mine.toml, line {line}: step 1, question:" in refusal(source)
    source = GOOD.replace('text = "dog"', 'text = "doggy"')
    line = 1 + source.splitlines().index('text = "doggy"')
    assert f"line {line}: step 1, transfer:" in refusal(source)


_, REMOVED, TOLD, *_ = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


def with_question(asked, old, new):
    """The template with a question of the guide's, one piece of it exchanged."""
    begin, end = GOOD.index("[steps.question]"), GOOD.index("[steps.transfer]")
    source = GOOD[:begin] + asked + GOOD[end:]
    if asked is REMOVED:
        source = source.replace("Second comes {second} with {second_score}", "{before}, {after}")
    assert old in source
    return source.replace(old, new, 1)


def about_removal(old="", new=""):
    return with_question(REMOVED, old, new)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('change = "the"\n', "", r"by told needs 'change'"),
        ('change = "the"', 'change = "dog"', r"'dog' does not stand in the text"),
        ('change = "the"', 'change = "mat"', r"'mat' does not stand before 'mat'"),
        ('becomes = "dog"', 'becomes = "the"', r"it is the same word"),
        ('head = "top:induction"', 'head = "top:induction"\nshare = "first"', r"'share' means not"),
    ],
)
def test_a_mistake_about_a_sender_is_named_with_its_line_and_remedy(old, new, words):
    message = refusal(with_question(TOLD, old, new))
    assert re.search(words, message) and re.match(r"mine\.toml, line \d+: step 1, ", message)


def test_a_question_about_removal_is_read():
    question = read_sheet(about_removal()).steps[0].question
    assert (question.remove, question.watch) == (("top:previous_token",), "mat")
    several = about_removal('"top:previous_token"', '["top:induction", "here:induction"]')
    assert read_sheet(several).steps[0].question.remove == ("top:induction", "here:induction")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('remove = "top:previous_token"\n', "", r"by probability needs 'remove'"),
        ('"top:previous_token"', "[]", r"'remove' must be a head or a list of 1 to 12 heads"),
        ('"top:previous_token"', "3", r"3 is no head: write one in quotes"),
        ('"top:previous_token"', '"top:previus_token"', r"Did you mean 'previous_token'"),
        ('"top:previous_token"', '"L5.H1"', r"names L5\.H1.*add \[steps\.question\.generic\]"),
        ('"top:previous_token"', '["L5.H1", "L5.H1"]', r"names the same head twice"),
        ('watch = "mat"', "watch = 3", r"'watch' must be a text in quotes"),
        ('watch = "mat"', 'watch = "the mat"', r"more than one word: watch one token"),
        ('watch = "mat"', 'watch = "here:induction"', r'use measure = "score"'),
        ('"probability"', '"probabilty"', r"Did you mean 'probability'"),
        ('"probability"', '"score"', r"needs 'behaviour'"),
        ('"probability"', '"score"\nbehaviour = "induction"', r"head that leads .* delete it"),
        ('watch = "mat"', 'head = "L0.H0"', r"'head' means nothing"),
        ("{after}", "{watched}", r"Unknown placeholder 'watched'"),
    ],
)
def test_a_mistake_about_removal_is_named_with_its_line_and_remedy(old, new, words):
    message = refusal(about_removal(old, new))
    assert re.search(words, message) and re.match(r"mine\.toml, line \d+: step 1, ", message)
    assert len(message.splitlines()) == 1
    if new.startswith("watch"):
        line = 1 + about_removal(old, new).splitlines().index(new)
        assert message.startswith(f"mine.toml, line {line}:")


def test_an_empty_step_and_no_step():
    assert "the step is empty" in refusal(GOOD + "\n[[steps]]\n")
    assert "there is no step" in refusal(GOOD.split("[[steps]]")[0])


def test_no_key_may_hold_an_answer():
    for key in sorted(FORBIDDEN):
        for place in ("[steps.question]", "[steps.transfer]", "[[steps]]"):
            found = re.search(rf"^{re.escape(place)}.*$", GOOD, re.MULTILINE)
            source = GOOD.replace(found[0], f'{place}\n{key} = "layer 3"')
            assert f"'{key}' would hold an answer" in refusal(source)
        assert f"'{key}' would hold an answer" in refusal(f"{key} = 1\n{GOOD}")


RULE = """
[steps.question]
ask = "Where is the head that looks three tokens back?"
kind = "which layer"
text = "cat-on-the-mat"
measure = "rule"
rule = { back = [3] }
"""


def test_a_rule_is_read():
    source = with_question(RULE, "back = [3]", 'words = ["cat"], same = true')
    assert read_sheet(source).steps[0].question.rule == Detector("rule", words=("cat",), same=True)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("3", r"'rule' must be a table with some of back, same"),
        ("{ bak = [3] }", r"Unknown part of a rule 'bak'\. Did you mean 'back'"),
        ("{ back = 3 }", r"'back' of 'rule' must be a list, in brackets"),
        ('{ same = "yes" }', r"'same' of 'rule' must be true or false"),
        ("{ back = [99] }", r"looks 0 to 20 tokens back"),
        ('{ from_words = ["cat"] }', r"needs a part that says where to look"),
    ],
)
def test_a_mistake_in_a_rule_is_named_with_its_line_and_remedy(new, words):
    message = refusal(with_question(RULE, "{ back = [3] }", new))
    assert re.search(words, message) and re.match(r"mine\.toml, line \d+: step 1, ", message)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sheets_hold_no_answers(path):
    """The reader refuses keys of that name; here the source itself is searched, and head names."""
    source = path.read_text(encoding="utf-8")
    keys = {match.lower() for match in re.findall(r"^\s*([\w-]+)\s*=", source, re.MULTILINE)}
    assert keys & FORBIDDEN == set()
    assert set(re.findall(r"L\d+\.H\d+", source)) <= FAMOUS


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sheets_have_two_to_five_steps(path):
    sheet = read_sheet(path)
    assert 2 <= len(sheet.steps) <= 5


def test_eight_sheets_or_more_are_offered_in_order():
    found = sheets()
    assert len(found.sheets) >= 8 and found.problems == {}
    orders = [sheet.order for sheet in found.sheets.values()]
    assert orders == sorted(orders)
    with pytest.raises(HeadlabError, match="Did you mean 'cat-twice'"):
        found["cat-twise"]


def test_a_bad_file_of_a_teacher_takes_no_other_down(tmp_path, monkeypatch):
    (tmp_path / "good.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.toml").write_text(GOOD.replace("kind", "knid"), encoding="utf-8")
    (tmp_path / "bytes.toml").write_bytes(b'title = "\xff"')
    (tmp_path / "cat-twice.toml").write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("HEADLAB_SHEETS", str(tmp_path))
    found = sheets()
    assert "good" in found.sheets and len(found.sheets) == len(SHIPPED) + 1
    assert "Did you mean 'kind'" in found.problems["bad"]
    assert "line 1" in found.problems["bytes"] and "UTF-8" in found.problems["bytes"]
    assert any("already" in sentence for sentence in found.problems.values())
    with pytest.raises(HeadlabError, match="Did you mean 'kind'"):
        found["bad"]


def test_a_missing_folder_of_a_teacher_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADLAB_SHEETS", str(tmp_path / "none"))
    assert "no folder" in sheets().problems["HEADLAB_SHEETS"]


def test_ten_megabytes_are_refused_before_they_are_parsed(tmp_path, monkeypatch):
    path = tmp_path / "big.toml"
    path.write_bytes(b"a = 1\n" * 1_700_000)
    monkeypatch.setattr(tomllib, "loads", lambda text: pytest.fail("parsed"))
    with pytest.raises(HeadlabError, match=r"big\.toml is 10,200,000 bytes"):
        read_sheet(path)
    assert "bytes long" in refusal("x" * (MAX_BYTES + 1))


def test_markup_stays_plain_text():
    script = "<script>alert(1)</script> $x$ [a](javascript:1)"
    sheet = read_sheet(GOOD.replace("My first sheet", script))
    assert sheet.title == script


def valid_or_refused(source):
    try:
        sheet = read_sheet(source)
    except HeadlabError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert isinstance(sheet, Sheet) and sheet.steps


@settings(deadline=None)
@given(st.one_of(st.text(), st.binary()))
def test_any_text_or_bytes_is_a_sheet_or_a_sentence(source):
    valid_or_refused(source)


PIECES = st.sampled_from(
    [*GOOD.splitlines(), "[steps.question.generic]", 'head = "L1.H1"', 'kind = "claim"', "rises=1"]
    + ["layer = -1", 'heads = ["L0.H0", "L0.H0"]', "at_least = inf", "passing = nan", "[[["]
    + ["texts = 3", "hints = [[1]]", "generic = {}", 'from = "("', "minutes = 1979-05-27"]
)


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=40))
def test_any_lines_are_a_sheet_or_a_sentence(lines):
    valid_or_refused("\n".join(lines))


VALUES = st.recursive(
    st.one_of(
        st.integers(),
        st.floats(),
        st.booleans(),
        st.sampled_from(['"induction"', '"every"', '"claim"', '"top:induction"', '"L99.H99"']),
        st.text(st.characters(codec="ascii", exclude_characters='"\\\n\r'), max_size=8).map(
            lambda text: f'"{text}"'
        ),
    ).map(lambda value: str(value).lower() if isinstance(value, (bool, float)) else str(value)),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, GOOD.count(" = ") - 1), VALUES)
def test_any_value_under_any_key_is_a_sheet_or_a_sentence(index, value):
    lines = GOOD.splitlines()
    places = [i for i, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    place = places[index % len(places)]
    lines[place] = f"{lines[place].split(' = ')[0]} = {value}"
    valid_or_refused("\n".join(lines))
