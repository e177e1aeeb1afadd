"""Reports hold what they show, come back exactly, and take any input or say why not."""

import base64
import errno
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headlab import (
    Circuit,
    HeadlabError,
    Profile,
    ablate,
    ablation_sweep,
    compare_profiles,
    explain_attention,
    load_model,
    make_report,
    mean_reference,
    open_report,
    profile_model,
    read_text,
    strongest_senders,
)
from headlab.behaviours import get_behaviour
from headlab.cli import DONE, FAILED, MISUNDERSTOOD, main
from headlab.evidence.ladder import Removals, evidence_ladder
from headlab.exercises import Entry, MeasurementContext, Record, prepare, sheets
from headlab.heads import Head
from headlab.interventions import with_word
from headlab.profiles.corpus import kept_corpus, passages
from headlab.report import SECTIONS, Report, Told, read_notes, read_record, read_report
from headlab.report.contents import MAX_CARDS
from headlab.report.notes import notes_html
from tests.profiles import weakened
from tests.reports import NAMES, made_up_profile, made_up_reading, made_up_removal, made_up_sweep

TEXT = "Maria lives in Oslo. Tom lives in Lima. The cat sat on the mat. Maria lives in"
FACTS = [("Maria", "Oslo"), ("Tom", "Lima")]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@cache
def mini():
    return load_model("mini")


@cache
def record():
    """Both answers to one question: the right one and, after it, a wrong one."""
    sheet, lab = sheets()["cat-twice"], MeasurementContext.of(mini())
    prepared = prepare(sheet.steps[0].question, lab)
    right = prepared.key.accepted[0]
    wrong = next(o.value for o in prepared.options if o.value not in prepared.key.accepted)
    entry = Entry.start(sheet, 1, prepared, lab).commit(prepared, right, 4)
    entry = (
        entry.observe("A bright\nline.").explain("It <b>looks</b> back.").revise(prepared, wrong, 2)
    )
    return Record.new("Anna").with_entry(entry)


@cache
def weak():
    """The profile of a model further trained than mini, as a file gives it back."""
    return Profile.from_dict(weakened(profile_model(mini())).to_dict())


@cache
def removed():
    """The text without two heads, and without each."""
    reference = mean_reference(mini())
    ways = [
        ablate(mini(), TEXT, ["L3.H1", "L5.H0"], "mean", reference, watch=" Rome"),
        ablate(mini(), TEXT, ["L3.H1", "L5.H0"], "zero", watch=" Rome"),
    ]
    return ways, ablation_sweep(mini(), TEXT, "mean", reference)


@cache
def explained():
    """A look of an induction head: who wrote it, who tells it, and what two heads carry alone."""
    head, other = Head(3, 7), with_word(mini(), TEXT, 2, "dog")
    look = {"query": len(read_text(mini(), TEXT).tokens) - 1, "key": 3}
    why = explain_attention(mini(), TEXT, head, **look)
    edges = strongest_senders(mini(), TEXT, other, head, **look, draws=5)
    told = Told(head, **look, corrupt=other, attention=why.attention, edges=edges)
    kept = Circuit([head, (0, 0)]).faithfulness(
        mini(), TEXT, head=head, **look, mode="text", reference=other
    )
    return {"explanations": [why], "told": [told], "kept": [kept]}


@cache
def report():
    """A report with everything in it."""
    profile = Profile.from_dict(profile_model(mini()).to_dict())
    return make_report(
        read_text(mini(), TEXT, entities=FACTS),
        profile,
        interventions=removed()[0],
        sweep=removed()[1],
        explanations=explained()["explanations"],
        corpus=kept_corpus(mini(), passages()),
        comparison=compare_profiles(profile, weak()),
        second="weak.json",
        record=record(),
        entities=FACTS,
        title="Who repeats?",
        name="Anna",
        course="A course",
        notes="# Conclusion\n\nIt *repeats*, 7 times.",
        date="2025-11-21",
        model="mini",
    )


def small(**changes):
    """A report of made-up numbers."""
    return make_report(made_up_reading(), made_up_profile(), **({"date": "2025-01-01"} | changes))


class Page(HTMLParser):
    """A page taken apart: numbers with their places, other text, tags, styles and scripts."""

    def __init__(self, html):
        super().__init__()
        self.numbers, self.texts, self.tags, self.code = [], [], [], []
        self.open = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "input", "br", "rect", "path", "hr"):
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if self.open and self.open[-1][0] == tag:
            self.open.pop()

    def handle_data(self, words):
        tags = [tag for tag, _ in self.open]
        if tags and tags[-1] in ("style", "script"):
            self.code.append((*self.open[-1], words))
        elif "data" in tags:
            self.numbers.append((self.open[-1][1], words))
        elif "svg" not in tags:
            self.texts.append(words)


def at(data, path):
    for part in path.split("/"):
        data = data[int(part) if isinstance(data, list) else part]
    return data


def strings(value):
    """Every string anywhere in JSON data, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(s for item in value.values() for s in strings(item))]
    return [s for item in value for s in strings(item)] if isinstance(value, list) else []


# -- what it shows is what it holds


def test_every_number_on_the_page_is_the_one_in_the_data():
    page, data = Page(report().html()), report().data
    assert len(page.numbers) > 500
    for attributes, words in page.numbers:
        value = at(data, attributes["data-at"])
        assert float(attributes["value"]) == value
        shown = words.replace(",", "").removesuffix(" %")
        digits = len(shown.partition(".")[2])
        size = 100 if words.endswith("%") else 1
        assert abs(float(shown) / size - value) <= 0.5000001 * 10**-digits / size


def test_no_digit_on_the_page_comes_from_anywhere_else():
    data = report().data
    words = "\n".join(strings(data))
    rows = [row for head in data["corpus"]["heads"] for row in head["rows"]]
    words += "\n".join("".join(row["tokens"]) for row in rows)  # a word may be several tokens
    fixed = "".join(p.read_text() for p in (ROOT / "headlab/report/templates").rglob("*.html"))
    fixed += "".join(about.summary + about.measured_as for about in map(get_behaviour, NAMES))
    fixed += " ".join(source for name in NAMES for source in get_behaviour(name).sources)
    for text in Page(report().html()).texts:
        for number in re.findall(r"\S*\d\S*", text.replace("·", " ")):
            bare = number.strip("“”()[]:;,.")
            assert bare in words or bare in fixed, f"{number!r} in {text!r}"


def test_the_data_are_what_was_measured():
    reading, profile = read_text(mini(), TEXT, entities=FACTS), profile_model(mini())
    data = report().data
    for name in profile.behaviours:
        held = np.array(data["profile"]["score"][name], dtype=float)
        assert held == pytest.approx(profile.score[name], abs=1e-6, nan_ok=True)
    assert data["reading"]["scores"]["retrieval"] == pytest.approx(
        reading.scores["retrieval"], abs=1e-6
    )
    assert np.array_equal(report().patterns, np.tril(reading.patterns).astype(np.float16))
    assert data["profile"]["prompt_scores"] == {}
    card = data["cards"][0]
    best = card["pairs"][0]
    pattern = reading.pattern(card["layer"], card["index"])
    assert best["attention"] == pytest.approx(pattern[1:].max(), abs=1e-3)


def test_the_pictures_show_every_head_and_the_patterns_of_the_cards():
    page = Page(report().html())
    frames = [a["data-of"] for tag, a in page.tags if tag == "svg" and "data-of" in a]
    maps = [f"profile/score/{name}" for name in report().data["behaviours"]]
    cards = [f"{card['layer']}.{card['index']}" for card in report().data["cards"]]
    assert frames == [*maps, *cards, "sweep/effect"]
    html = report().html()
    for card, of in zip(report().data["cards"], cards, strict=True):
        svg = html[html.index(f'data-of="{of}"') :]
        svg = svg[: svg.index("</svg>")]
        drawn = np.zeros((report().data["n_tokens"],) * 2, dtype=int)
        for level, path in re.findall(r'class="c(\d+)" d="((?:M\d+ \d+h\d+v1h-\d+z)+)"', svg):
            for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1", path):
                drawn[int(y), int(x) : int(x) + int(width)] = int(level)
        expected = np.rint(report().patterns[card["layer"], card["index"]].astype(float) * 31)
        assert np.array_equal(drawn, expected)


# -- there and back


def test_a_report_comes_back_exactly(tmp_path):
    report().save(tmp_path / "r.html")
    again = open_report(tmp_path / "r.html")
    assert again == report() and again.to_json() == report().to_json()
    assert again.html() == report().html()
    assert again.record == record()
    assert again.profile.ranking("induction").equals(report().profile.ranking("induction"))


def test_the_same_inputs_give_the_same_bytes(monkeypatch):
    assert small().html() == small().html()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert small(date="").data["date"] == "1970-01-02"
    assert small(date="2025-01-01").data["date"] == "2025-01-01"


def test_a_fresh_profile_and_a_kept_one_give_the_same_bytes(tmp_path):
    profile = made_up_profile()
    profile.save(tmp_path / "p.json")
    kept = type(profile).load(tmp_path / "p.json")
    reports = [make_report(made_up_reading(), p, date="2025-01-01") for p in (profile, kept)]
    assert reports[0].html() == reports[1].html()


def test_its_command_makes_it_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weak().save("weak.json")
    report().save("report.html")
    assert report().data["again"]
    words = shlex.split(report().data["command"])
    assert words[:4] == ["python", "-m", "headlab", "report"]
    assert main(words[3:]) == DONE
    assert Path("again.html").read_bytes() == Path("report.html").read_bytes()
    capsys.readouterr()
    assert main(["report", "--data", "again.html"]) == DONE
    assert json.loads(capsys.readouterr().out) == report().data


def test_the_command_takes_every_choice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notes.md").write_text("My *notes*")
    Path("record.json").write_text(record().to_json())
    arguments = ["report", "--model", "mini", "--text", "A cat and a cat", "--no-start-token"]
    arguments += ["--behaviour", "induction", "first_token", "--head", "5.1", "L0.H0"]
    arguments += ["--sections", "notes", "maps", "record", "--title", "-- T", "--name", "N"]
    arguments += ["--course", "C", "--notes", "notes.md", "--record", "record.json"]
    assert main([*arguments, "--date", "2025-02-03", "--out", "a.html"]) == DONE
    data = open_report("a.html").data
    assert data["sections"] == ["maps", "record", "notes"]
    assert data["behaviours"] == ["induction", "first_token"]
    assert [card["head"] for card in data["cards"]] == ["L5.H1", "L0.H0"]
    assert (data["title"], data["name"], data["course"]) == ("-- T", "N", "C")
    assert data["start_token"] is None and data["date"] == "2025-02-03"
    Path("a.html").rename("report.html")
    assert main(shlex.split(data["command"])[3:]) == DONE
    assert Path("again.html").read_bytes() == Path("report.html").read_bytes()


def test_the_table_is_tidy_and_safe_for_spreadsheets(tmp_path):
    made = make_report(
        made_up_reading(model_name="=cmd()"), made_up_profile(), date="2025-01-01", model="=cmd()"
    )
    (tmp_path / "t.csv").write_text(made.to_csv())
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 4 * len(NAMES)
    assert set(table["model"]) == {"'=cmd()"}
    row = table[(table["behaviour"] == "induction") & (table["layer"] == 1)].iloc[0]
    assert row["score"] == made.data["profile"]["score"]["induction"][1][0]
    assert row["text_score"] == made.data["reading"]["scores"]["induction"][1][0]


def test_records_and_notes_are_taken_from_reports():
    html = report().html().encode()
    assert read_record(html) == read_record(record().to_json()) == record()
    assert read_notes(html) == report().data["notes"]
    with pytest.raises(HeadlabError, match="holds no learning record"):
        read_record(small().html())


# -- sections


def test_a_section_that_was_not_chosen_is_not_in_the_file():
    made = make_report(
        read_text(mini(), TEXT), profile_model(mini()), record=record(), notes="secret words",
        sections=["maps"], date="2025-01-01",
    )  # fmt: skip
    assert made.data["record"] is None and made.data["notes"] == ""
    assert "secret words" not in made.html() and "bright" not in made.to_json()
    sections = [tag for name, tag in Page(made.html()).tags if name == "section" and "id" in tag]
    assert [tag["id"] for tag in sections] == ["maps"]


def test_every_section_has_its_template_and_its_heading():
    folder = ROOT / "headlab/report/templates/sections"
    assert {path.stem for path in folder.glob("*.html")} == set(SECTIONS)
    html = report().html()
    for name, section in SECTIONS.items():
        assert f'<h2 id="{name}-title">{section.title}</h2>' in html


def test_the_record_stands_in_the_page():
    html = report().html()
    for words in ("A bright\nline.", "It &lt;b&gt;looks&lt;/b&gt; back.", "(sure, "):
        assert words in html
    entry = record().entries[0]
    assert f'<span class="verdict right">{entry.verdicts["first"]}</span>' in html
    assert '<span class="verdict wrong">wrong</span>' in html


# -- causes


def test_what_happens_without_heads_is_what_the_engine_found():
    (group,) = report().data["interventions"]
    ways, sweep = removed()
    assert group["heads"] == ["L3.H1", "L5.H0"] and group["after"] == " in"
    assert [way["mode"] for way in group["ways"]] == ["mean", "zero"]
    for way, made in zip(group["ways"], ways, strict=True):
        assert way["loss_change"] == pytest.approx(made.loss_change, abs=1e-6)
        assert way["control"]["beyond"] == pytest.approx(made.loss_beyond_control, abs=1e-6)
        assert way["control"]["n_draws"] == len(made.control.heads) == 20
        (watched,) = way["watched"]
        assert watched["probability"] == pytest.approx(np.exp(made.logprobs_after[0]), abs=1e-6)
        assert watched["change"] == pytest.approx(made.logprob_change[0], abs=1e-6)
        assert [each["text"] for each in way["expected"]] == [each.text for each in made.top_after]
    assert np.array(report().data["sweep"]["effect"]) == pytest.approx(sweep.effect, abs=1e-6)
    strongest = report().data["sweep"]["strongest"]
    assert Head.parse(strongest[0]) == np.unravel_index(np.abs(sweep.effect).argmax(), (12, 12))
    html = report().html()
    card = report().data["cards"][0]
    effect = report().data["sweep"]["effect"][card["layer"]][card["index"]]
    place = f"sweep/effect/{card['layer']}/{card['index']}"
    says = f'by <data data-at="{place}" value="{effect}">{effect:+.3f}</data> nats here.'
    assert says in html and "<h3>Without L3.H1 and L5.H0</h3>" in html


def test_the_effect_map_is_drawn_both_ways_from_zero():
    reading = made_up_reading()
    effect = np.array([[-2.0, 0.0], [1.0, np.nan]])
    sweep = made_up_sweep(reading, effect=effect)
    made = make_report(reading, made_up_profile(), sweep=sweep, date="2025-01-01")
    assert made.data["sweep"]["scale"] == [-2, 2]
    assert made.data["sweep"]["strongest"] == ["L0.H0", "L1.H0", "L0.H1"]
    svg = made.html().partition('data-of="sweep/effect"')[2].partition("</svg>")[0]
    drawn = dict(re.findall(r'<path class="(e\d+|nan)" d="(M\d+ \d+)', svg))
    assert drawn == {"e0": "M0 0", "e16": "M0 1", "e24": "M1 0", "nan": "M1 1"}


def test_the_same_heads_removed_twice_stand_together_and_others_apart():
    reading = made_up_reading()
    ways = [made_up_removal(reading, mode) for mode in ("mean", "zero")]
    others = made_up_removal(reading, heads=(Head(1, 1),))
    made = make_report(reading, made_up_profile(), interventions=[*ways, others])
    assert [len(group["ways"]) for group in made.data["interventions"]] == [2, 1]
    assert not made.data["again"] and "settings that no command has" in made.html()


def test_a_head_without_a_control_says_why():
    reading = made_up_reading()
    alone = made_up_removal(reading, control=None, no_control="Too few other heads.")
    html = make_report(reading, made_up_profile(), interventions=[alone]).html()
    assert "Too few other heads." in html


def test_the_ladder_of_a_label_stands_on_its_passport():
    profile, reading = profile_model(mini()), read_text(mini(), TEXT)
    head = next(Head.parse(top["head"]) for top in profile.top_heads["previous_token"])
    effect = np.full((12, 12), np.nan)
    effect[head.layer] = 0
    effect[head] = 0.5
    label = str(profile.label[head])
    measured = Removals(get_behaviour(label).rung4.probe or "", effect, effect)
    for removals, status in (((), "not measured"), ((measured,), "passed")):
        made = make_report(reading, profile, heads=[head], removals=removals)
        (card,) = made.data["cards"]
        assert card["ladder"]["behaviour"] == label
        steps = evidence_ladder(profile, head, label, reading, *removals)
        assert [s["status"] for s in card["ladder"]["steps"]] == [s.status for s in steps]
        assert {s["status"] for s in card["ladder"]["steps"][3:]} == {status}
        assert made.data["again"] == (not removals)
        for step in steps:
            assert f" {step.title}</th><td>{step.status}</td>" in made.html()


# -- beside another model


def test_a_comparison_is_the_comparison_s():
    data = report().data["comparison"]
    comparison = compare_profiles(Profile.from_dict(profile_model(mini()).to_dict()), weak())
    ranked = comparison.ranking()
    assert data["n_sure"] == len(ranked) > 20 == len(data["largest"])
    for row, expected in zip(data["largest"], ranked.to_dict("records"), strict=False):
        assert row["name"] == expected["name"] and row["behaviour"] == expected["behaviour"]
        for part in ("before", "after", "change", "low", "high"):
            assert row[part] == pytest.approx(expected[part], abs=1e-6)
    assert data["n_relabelled"] == len(comparison.relabelled()) > 0
    assert data["counts"] == comparison.verdict_counts().to_dict("records")


def test_models_that_are_no_kin_are_compared_by_role_and_it_says_why():
    ours, other = made_up_profile(), made_up_profile(3, model_name="wide", content_hash="1")
    made = make_report(None, ours, comparison=compare_profiles(ours, other), date="2025-01-01")
    assert made.data["sections"] == ["comparison", "limits", "provenance"]
    assert made.data["title"] == "made-up and wide"
    html = made.html()
    assert "Roles, not heads" in html and "no head of one is a head of the other" in html
    assert "What changed" not in html and read_report(html) == made
    assert len(made.table()) == 4 * len(NAMES) and made.profile.model_name == "made-up"
    with pytest.raises(HeadlabError, match="about no text"):
        assert made.patterns is None


def test_compare_writes_a_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weak().save("weak.json")
    assert main(["compare", "mini", "weak.json", "--date=2025-01-01", "--out=report.html"]) == DONE
    made = open_report("report.html")
    assert made.data["comparison"] == report().data["comparison"] and made.data["again"]
    assert main(shlex.split(made.data["command"])[3:]) == DONE
    assert Path("again.html").read_bytes() == Path("report.html").read_bytes()
    assert main(["compare", "mini", "weak.json", "--text=a b", "--out=no.html"]) == FAILED
    assert "report --text ... --compare" in capsys.readouterr().err
    assert not Path("no.html").exists()


# -- safe by construction


def test_the_policy_allows_its_own_style_and_script_and_nothing_else():
    page = Page(report().html())
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    hashes = {
        tag: base64.b64encode(hashlib.sha256(words.encode()).digest()).decode()
        for tag, attributes, words in page.code
        if "type" not in attributes
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; "
        f"script-src 'sha256-{hashes['script']}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    assert len(page.code) == 3  # style, data, script
    head = report().html().partition("Content-Security-Policy")[0]
    assert "<style" not in head and "<script" not in head


def test_nothing_in_the_page_runs_or_fetches():
    for tag, attributes in Page(report().html()).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "form", "base", "use"}
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in {"style", "src", "srcset", "action"}
            if name == "href":
                assert value.startswith(("#", "https://"))


EVIL = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "]]></style><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "\u2028\u202e\u0007",
)


@pytest.mark.parametrize("evil", EVIL)
def test_markup_in_any_field_is_text(evil):
    line = evil.replace("\u0007", "")
    reading = made_up_reading(
        model_name=evil, start_text=evil, text=evil, token_texts=[evil, evil, "b", evil]
    )
    sound = small().html()
    profile = made_up_profile(content_hash=evil, untested={"copying": evil})
    other = made_up_profile(3, seed=5, model_name=evil, content_hash="1", start_text=evil)
    removal = made_up_removal(reading, word=evil, replaced_by=evil, control=None, no_control=evil)
    made = make_report(
        reading, profile, title=line, name=line, course=line, notes=line, entities=[(evil, evil)],
        date="2025-01-01", model=evil, second=evil, interventions=[removal],
        sweep=made_up_sweep(reading, metric="log-probability", watched_text=evil, replaced_by=evil),
        comparison=compare_profiles(profile, other),
    )  # fmt: skip
    page = Page(made.html())
    wanted = {tag for tag, _ in Page(sound).tags} | {"p", "b", "h3", "div"}
    assert {"interventions", "comparison"} <= set(made.data["sections"])
    assert {tag for tag, _ in page.tags} <= wanted
    assert len(page.code) == 3 and "49" not in page.texts
    assert read_report(made.html()) == made


def test_notes_are_markdown_without_teeth():
    html = str(
        notes_html(
            "# One\n\n*a* **b** `c` [ok](https://a.org/?q=1&r=2) [js](javascript:alert) "
            "[d](data:text/html,x) [f](file:///etc) [r](//evil.org) <https://a.org> "
            "![p](https://a.org/x.png)\n\n<img src=x onerror=alert(1)>\n\n"
            "| a | b |\n|---|--:|\n| 1 | 2 |\n\n```html\n<b>\n```"
        )
    )
    page = Page(html)
    assert {a["href"] for tag, a in page.tags if tag == "a"} == {
        "https://a.org/?q=1&r=2", "https://a.org", "https://a.org/x.png",
    }  # fmt: skip
    assert all("noopener" in a["rel"] for tag, a in page.tags if tag == "a")
    assert not {"img", "script"} & {tag for tag, _ in page.tags}
    assert all(set(a) <= {"href", "rel", "target", "title", "class"} for _, a in page.tags)
    assert "<h3>One</h3>" in html and "<table>" in html and "&lt;b&gt;" in html


@pytest.mark.parametrize("unit", ["[", "![](", "> ", "* ", "`", "_a", "<!--", "| a ", "&#x26;"])
def test_notes_of_any_shape_are_drawn(unit):
    source = (unit * 100_000)[:100_000]
    assert "<script" not in notes_html(source)
    assert read_report(small(notes=source).html()).data["notes"] == source.strip()


# -- what cannot be measured, and long or short texts


def test_what_cannot_be_tested_says_so():
    nothing = np.full((2, 2), np.nan)
    parts = ("score", "low", "high", "chance", "excess", "role_confidence")
    profile = made_up_profile()
    changed = {p: {**getattr(profile, p), "induction": nothing} for p in parts}
    reading = made_up_reading()
    scores = {**reading.scores, "induction": nothing, "first_token": nothing}
    reading = made_up_reading(scores=scores, rows={**reading.rows, "induction": 0})
    made = make_report(
        reading,
        made_up_profile(**changed, stability=nothing, label_confidence=nothing),
        heads=[Head(0, 0)],
        date="2025-01-01",
    )
    assert made.data["profile"]["score"]["induction"] == [[None] * 2] * 2
    html = made.html()
    assert "cannot be tested here" in html and 'class="nan"' in html
    assert not re.search(
        r"\b(nan|NaN|None)\b(?!\")", re.sub(r"<s(tyle|cript).*?</s", "", html, flags=re.S)
    )


def test_an_untested_behaviour_is_listed_with_its_reason():
    parts = ("score", "low", "high", "chance", "excess", "role_confidence")
    profile = made_up_profile()
    without = {p: {k: v for k, v in getattr(profile, p).items() if k != "copying"} for p in parts}
    made = make_report(
        made_up_reading(),
        made_up_profile(**without, untested={"copying": "no weights"}),
        date="2025-01-01",
    )
    assert "<b>Copying</b> cannot be tested here: no weights." in made.html()


@pytest.mark.parametrize("n_tokens", [1, 2])
def test_the_shortest_texts(n_tokens):
    made = make_report(made_up_reading(n_tokens=n_tokens), made_up_profile(), date="2025-01-01")
    assert made.data["n_tokens"] == n_tokens and read_report(made.html()) == made
    assert len(made.data["cards"][0]["pairs"]) == (2 if n_tokens == 2 else 0)


def test_a_long_text_is_pooled_and_says_so():
    reading = made_up_reading(6, 6, 400)
    made = make_report(reading, made_up_profile(6, 6), date="2025-01-01")
    pool = made.data["patterns"]["pool"]
    assert pool > 1 and f"{pool}</data> × " in made.html()
    block = reading.patterns[3, 2, pool : 2 * pool, :pool].max()
    assert made.patterns[3, 2, 1, 0] == np.float16(block)


@pytest.mark.parametrize(
    ("n_layers", "n_heads", "n_tokens", "largest"),
    [(12, 12, 30, 1.5e6), (48, 25, 30, 5e6), (48, 25, 90, 5e6)],
)
def test_it_stays_small(n_layers, n_heads, n_tokens, largest):
    reading = made_up_reading(n_layers, n_heads, n_tokens)
    profile = made_up_profile(n_layers, n_heads)
    prompts = {name: {"sentences": np.stack([each] * 8)} for name, each in profile.score.items()}
    profile = replace(profile, prompt_scores=prompts)
    moved = {name: 0.7 * each for name, each in profile.score.items()}
    other = replace(
        profile,
        label=profile.label[:, ::-1],  # many changed labels
        score=moved,
        prompt_scores={name: {"sentences": np.stack([each] * 8)} for name, each in moved.items()},
        probe_scores={name: {"sentences": each} for name, each in moved.items()},
    )
    made = make_report(
        reading,
        profile,
        interventions=[made_up_removal(reading, mode) for mode in ("mean", "zero")],
        sweep=made_up_sweep(reading),
        comparison=compare_profiles(profile, other),
        date="2025-01-01",
    )
    assert made.data["comparison"]["n_sure"] > 1_000
    assert len(made.html().encode()) < largest


# -- a sentence for what cannot be done


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": "x" * 201}, "more than 200 characters"),
        ({"name": "a\x07b"}, "Character 2 of the name cannot be written (U+0007)"),
        ({"course": "a\ud800"}, "U+D800"),
        ({"notes": "x" * 100_001}, "a report takes 100,000"),
        ({"sections": ["sumary"]}, "Did you mean 'summary'"),
        ({"sections": ["record"]}, "give it with --record"),
        ({"sections": ["interventions"]}, "name them with --remove"),
        ({"sections": ["comparison"]}, "name it with --compare"),
        ({"sections": ["mechanisms"]}, "name it with --explain"),
        ({"sections": ["corpus"]}, "add --corpus"),
        ({"behaviours": ["induktion"]}, "Did you mean 'induction'"),
        ({"heads": [Head(0, 2)]}, "no head L0.H2"),
        ({"date": "yesterday"}, "is no date"),
    ],
)
def test_bad_input_gets_a_sentence(changes, words):
    with pytest.raises(HeadlabError, match=re.escape(words)):
        small(**changes)


def test_what_was_measured_elsewhere_gets_a_sentence():
    reading, profile = made_up_reading(), made_up_profile()
    other = made_up_reading(text="b")
    nothing = np.zeros((3, 2))
    others = [made_up_profile(seed=seed, content_hash=str(seed)) for seed in (7, 8)]
    for words, changes in (
        ("another text", {"interventions": [made_up_removal(other)]}),
        ("another text", {"interventions": [made_up_removal(reading, start_token=None)]}),
        ("another text", {"sweep": made_up_sweep(other)}),
        ("another text", {"sweep": made_up_sweep(reading, model_name="b")}),
        ("another text", explained()),
        ("another text", {"explanations": explained()["explanations"]}),
        ("another text", {"told": explained()["told"]}),
        ("another shape", {"removals": [Removals("repeats", nothing, nothing)]}),
        ("about other models", {"comparison": compare_profiles(*others)}),
    ):
        with pytest.raises(HeadlabError, match=words):
            make_report(reading, profile, **changes)
    with pytest.raises(HeadlabError, match="nothing to report on"):
        make_report(None, profile)


def test_a_look_and_a_circuit_are_reported_as_they_were_found():
    given = explained()
    (why,), (told,), (kept,) = (given[name] for name in ("explanations", "told", "kept"))
    made = make_report(read_text(mini(), TEXT), profile_model(mini()), **given)
    found = made.data["mechanisms"]
    sums = [
        sum(w["share"] for w in found["why"][0]["writers"][side]) + found["why"][0]["rest"][side]
        for side in ("query", "key")
    ]
    np.testing.assert_allclose(sums, why.contrast, atol=1e-4)
    best = found["told"][0]["edges"][0]
    assert (best["sender"], best["into"]) == (str(told.edges[0].sender), told.edges[0].into)
    assert best["change"] == pytest.approx(told.edges[0].change, abs=1e-5)
    assert found["kept"][0]["alone"] == pytest.approx(kept.score, abs=1e-5)
    shown = {dict(attributes)["data-at"] for _, attributes in Page(made.html()).tags
             if "data-at" in dict(attributes)}  # fmt: skip
    assert {"mechanisms/told/0/edges/0/change", "mechanisms/kept/0/alone"} <= shown
    assert not made.data["again"]  # no command collects a circuit


def test_passages_are_those_of_the_corpus():
    looks, found = kept_corpus(mini(), passages()), report().data["corpus"]
    assert [each["head"] for each in found["heads"]] == [c["head"] for c in report().data["cards"]]
    for each in found["heads"]:
        (row, *_), first = looks.of(each["head"]), each["rows"][0]
        assert tuple(first["tokens"]) == row.texts and first["query"] == row.query - row.begin
        seen = {
            row.begin + at: share for at, share in enumerate(first["shares"]) if share is not None
        }
        expected = {
            k: s for k, s in zip(row.keys, row.shares, strict=True) if k >= row.begin and s >= 0.01
        }
        assert seen == pytest.approx(expected, abs=1e-6)
    with pytest.raises(HeadlabError, match="The corpus was read with another model"):
        small(corpus=looks)


def test_too_many_heads_or_a_profile_of_another_model_get_a_sentence():
    heads = [Head(a, b) for a in range(7) for b in range(6)]
    with pytest.raises(HeadlabError, match=f"at most {MAX_CARDS}"):
        make_report(made_up_reading(7, 6), made_up_profile(7, 6), heads=heads)
    with pytest.raises(HeadlabError, match="another model"):
        make_report(made_up_reading(), made_up_profile(3, 2))
    with pytest.raises(HeadlabError, match="another model"):
        make_report(made_up_reading(start_token=None), made_up_profile())
    with pytest.raises(HeadlabError, match="every layer"):
        make_report(made_up_reading(layers=(0,)), made_up_profile())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--text", "One"], FAILED, "single token"),
        (["--text", "Two words", "--head", "99.0"], FAILED, "no head L99.H0"),
        (["--text", "Two words", "--entity", "Maria"], FAILED, "is no fact"),
        (["--text", "Two words", "--remove", "99.0"], FAILED, "no head L99.H0"),
        (["--text", "Two words", "--explain", "3.7"], FAILED, "is no look"),
        (["--text", "Two words", "--explain", "3.7:9:1"], FAILED, "position"),
        (["--text", "Two words", "--watch", " a"], FAILED, "give --remove too"),
        (["--text", "Two words", "--compare", "none.json"], FAILED, "cannot be read"),
        (["--text", "Two words", "--notes", "none.md"], FAILED, "cannot be read"),
        (["--text", "Two words", "--record", "none.json"], FAILED, "cannot be read"),
        ([], FAILED, "give --text"),
        (["--data", "x.html"], MISUNDERSTOOD, "not allowed with"),
    ],
)
def test_a_bad_command_gets_a_sentence_and_no_file(
    arguments, code, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments, "--out", "r.html"]) == code
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_ending_is_refused(capsys):
    assert main(["report", "--text", "Two words", "--out", "r.pdf"]) == FAILED
    assert "unknown ending" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "r.html", tmp_path / "x\x00.html", tmp_path / ("n" * 300)):
        with pytest.raises(HeadlabError, match="cannot be written"):
            small().save(path)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", "/", ""):
        with pytest.raises(HeadlabError, match="cannot be written"):
            small().save(path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "r.html").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HeadlabError, match=r"written \(No space left"):
        small().save(tmp_path / "r.html")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("r.html", "old")]


if os.name == "posix":  # where a process can be given a disk of ten thousand bytes

    def test_half_a_file_is_never_left(tmp_path):
        small().save(tmp_path / "whole.html")
        code = (
            "import resource, sys; from headlab import HeadlabError, open_report\n"
            "made = open_report(sys.argv[1])\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
            "try: made.save(sys.argv[2])\n"
            "except HeadlabError as error: print(error)"
        )
        places = [str(tmp_path / name) for name in ("whole.html", "r.html")]
        done = subprocess.run(
            [sys.executable, "-c", code, *places], capture_output=True, text=True, cwd=ROOT
        )
        assert "cannot be written" in done.stdout and not done.stderr
        assert [p.name for p in tmp_path.iterdir()] == ["whole.html"]


def test_patterns_that_were_changed_get_a_sentence():
    data = small().data
    for part, value in (("side", 3), ("n_layers", 10**12), ("base64", "!"), ("n_heads", "2")):
        changed = Report({**data, "patterns": {**data["patterns"], part: value}})
        with pytest.raises(HeadlabError, match="were changed"):
            assert changed.patterns is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe<html>",
        b"<!doctype html><p>no report",
        b'<!doctype html><script type="application/json" id="headlab-report">{',
        b'<script type="application/json" id="headlab-report">{]</script>',
        b'<script type="application/json" id="headlab-report">[NaN]</script>',
        b'<script type="application/json" id="headlab-report">' + b"9" * 5000 + b"</script>",
        b'<script type="application/json" id="headlab-report">' + b"[" * 100_000 + b"</script>",
        b'<script type="application/json" id="headlab-report">[1]</script>',
        b'<script type="application/json" id="headlab-report">{"schema":"other/9"}</script>',
    ],
)
def test_what_is_no_report_gets_a_sentence(content, tmp_path, capsys):
    (tmp_path / "r.html").write_bytes(content)
    with pytest.raises(HeadlabError, match="no report"):
        open_report(tmp_path / "r.html")
    assert main(["report", "--data", str(tmp_path / "r.html")]) == FAILED
    assert "headlab:" in capsys.readouterr().err


def test_a_file_that_is_not_there():
    for path in ("nowhere.html", "a\x00b.html"):
        with pytest.raises(HeadlabError, match="cannot be read"):
            open_report(path)
