"""Behaviours of your own: found, scored and named like ours; broken ones are left out and told."""

import json
import os
import subprocess
import sys

import pytest

from headlab import HeadlabError, cli
from headlab.behaviours import own

BROKEN = {
    "syntax.py": ("def targets(:", "syntax.py, line 1 cannot be read"),
    "raises.py": ("x = 1\ny = 1 / 0\n", "raises.py, line 2 cannot be read"),
    "nothing.py": ("x = 1\n", "has no BEHAVIOUR"),
}
RUN = """
import json
from headlab import load_model, profile_model, read_text, make_report
from headlab.behaviours import behaviour_problems, behaviours
model = load_model("mini")
profile = profile_model(model, variants=False, controls=0, cache=False)
reading = read_text(model, "The quick brown fox jumps over the lazy dog.")
html = make_report(reading, profile).html()
print(json.dumps({
    "names": list(behaviours()), "problems": behaviour_problems(),
    "score": float(profile.score["three_back"].max()) if "three_back" in behaviours() else None,
    "rows": reading.rows.get("three_back"), "told": "Three back" in html,
}))
"""


def changed(**changes):
    """The file of a new behaviour with some of its lines changed."""
    source = own.TEMPLATE.format(name="three_back", title="Three back")
    for old, new in changes.values():
        assert old in source
        source = source.replace(old, new)
    return source


def wrongs(tmp_path, source):
    (tmp_path / "mine.py").write_text(source)
    return own.problems_of(own.load_file(tmp_path / "mine.py").BEHAVIOUR)


def test_a_new_one_is_as_it_should_be(tmp_path):
    assert wrongs(tmp_path, changed()) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("k == q - 3", "k == q + 1", "looks ahead"),
        ("k == q - 3", "(k == q - 3).astype(float)", "no boolean array"),
        ("k == q - 3", "(k == q - 3)[:-1]", "no boolean array"),
        ("k == q - 3", "(k == q - 3) & (q < 0)", "asks for nothing"),
        ("k == q - 3", "(tokens[:, None] > 1) & (k <= q)", "targets"),
        ("k == q - 3", "tokens.missing", "targets fails on"),
        ('probes=("sentences",)', 'probes=("essays",)', "'essays' is no probe"),
        ("threshold=0.4", "threshold=4", "threshold 4"),
        ("targets=targets", "targets=None", "either targets or measure"),
        ('name="three_back"', 'name="Three back"', "small letters"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, old, new, words):
    found = wrongs(tmp_path, changed(change=(old, new)))
    assert any(words in sentence for sentence in found), found


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path, name):
    source, words = BROKEN[name]
    (tmp_path / name).write_text(source)
    with pytest.raises(HeadlabError, match=words):
        own.load_file(tmp_path / name)


def in_a_folder(folder, **environment):
    """What headlab finds with this folder of behaviours, in a process of its own."""
    settings = os.environ | {"HEADLAB_BEHAVIOURS": str(folder)} | environment
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, env=settings, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_those_of_a_folder_are_scored_and_broken_ones_left_out(tmp_path):
    (tmp_path / "three_back.py").write_text(changed())
    (tmp_path / "again.py").write_text(changed(change=('name="three_back"', 'name="induction"')))
    for name, (source, _) in BROKEN.items():
        (tmp_path / name).write_text(source)
    found = in_a_folder(tmp_path)
    assert found["names"][-3:].count("three_back") == 1 and 0 < found["score"] <= 1
    assert found["rows"] >= 6 and found["told"] and set(found["problems"]) == {*BROKEN, "again.py"}
    assert "there is a behaviour 'induction' already" in found["problems"]["again.py"]
    public = in_a_folder(tmp_path, HEADLAB_PUBLIC="1")
    assert "three_back" not in public["names"] and public["problems"] == {}


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["behaviours", "new", "four_back"]) == 0
    assert cli.main(["behaviours", "check", "four_back.py"]) == 0
    assert "as every behaviour should be" in capsys.readouterr().out
    assert cli.main(["behaviours", "new", "four_back"]) == 1
    (tmp_path / "bad.py").write_text("x")
    assert cli.main(["behaviours", "check", "four_back.py", "bad.py"]) == 1
    assert cli.main(["behaviours", "--json"]) == 0
    assert "induction" in capsys.readouterr().out
