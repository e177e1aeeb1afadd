"""What the documents show is what the program takes."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from headlab import cli
from headlab.behaviours import Behaviour

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def code_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def command_lines():
    shell = "\n".join(code_blocks(README, "")).replace("\\\n", " ")
    lines = [line for line in shell.splitlines() if line.startswith("headlab ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_command_lines_of_the_readme_are_understood(words):
    assert cli._parser().parse_args(words).command == words[0]


def test_every_command_is_in_the_readme():
    assert {words[0] for words in command_lines()} == set(cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert cli.main([command, "--help"]) == cli.DONE
    assert f"{command} [-h]" in capsys.readouterr().out
    assert cli.COMMANDS[command][1]


def test_the_names_that_the_readme_imports_exist():
    (block,) = code_blocks(README, "python")
    exec(block.split("\n\n")[0], {})


def test_the_example_behaviour_is_one():
    (block,) = code_blocks(CONTRIBUTING, "python")
    names: dict = {}
    exec(block, names)
    assert isinstance(names["BEHAVIOUR"], Behaviour)
    cells = names["targets"](np.array([3, 1, 4, 1]))
    assert cells.tolist() == [[q > 1 and k == 1 for k in range(4)] for q in range(4)]


DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
