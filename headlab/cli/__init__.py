"""The command line: ``headlab COMMAND``, or ``python -m headlab COMMAND``, explained by ``--help``.

Exit codes: 0 done, 1 something could not be done (one sentence on standard error), 2 the command
was not understood. A command is a line in ``COMMANDS`` and a function ``add_COMMAND`` in its
module, which is imported when the command is asked for. No module knows another, all may use
``shared``.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from headlab import log, settings
from headlab.__version__ import __version__
from headlab.cli.codes import DONE, FAILED, MISUNDERSTOOD
from headlab.errors import HeadlabError

__all__ = ["DONE", "FAILED", "MISUNDERSTOOD", "main"]

# name: its module, and what --help says of it, in this order
COMMANDS = {
    "app": ("laboratory", "open the laboratory in the browser"),
    "serve": ("laboratory", "open it to a room, on the network"),
    "models": ("models", "list the models offered by name, or download them"),
    "score": ("scores", "score every head on one text"),
    "profile": (
        "scores",
        "score every head of one or more models on the probes, with confidences",
    ),
    "behaviours": ("behaviours", "list the behaviours, check one of your own, or begin one"),
    "rank": ("scores", "rank the heads of a model by one behaviour"),
    "report": ("report", "write what was measured on a text as one HTML file, or read it back"),
    "embed": ("embedding", "write a head, or the grid, as one HTML file for another page"),
    "verify": ("verify", "measure published figures of GPT-2 small again, ours beside theirs"),
    "compare": ("compare", "put two models, or two saved profiles, side by side"),
    "doctor": ("doctor", "check this machine before a lesson, or watch a running server"),
    "ablate": ("interventions", "remove heads and see what the model then predicts"),
    "patch": ("interventions", "carry what heads did on one text over to another"),
    "attribute": (
        "interventions",
        "split a logit difference into what each part of the model wrote",
    ),
    "why": ("interventions", "what else the model expected at a word, and which heads decided"),
    "what-if": ("interventions", "put another word into a text, and see whose pattern changes"),
    "explain": ("mechanisms", "why a head looks there: what wrote the query and the key"),
    "composition": ("mechanisms", "which heads can read what others write, from their weights"),
    "path-patch": ("mechanisms", "what one head tells another on a text, and nothing else"),
    "circuit": ("mechanisms", "how much of a behaviour is left with only some heads at work"),
    "sink": ("mechanisms", "why a head rests on the first token"),
    "corpus": ("corpus", "what every head does over many texts"),
    "sweep": ("sweeps", "profile many models and revisions, and go on where it was ended"),
    "atlas": ("sweeps", "draw when each kind of head appears in a sweep"),
    "texts": ("texts", "check guided texts and pairs of texts"),
    "sheets": ("sheets", "check, begin, or answer exercise sheets"),
}

TEXTS = ("--text", "--clean", "--corrupt", "--answer", "--wrong")  # what follows is never an option


class _Command(argparse.ArgumentParser):
    """The parser of one command, which learns what the command takes when it is asked for."""

    command = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.command:
            module = import_module(f"{__name__}.{COMMANDS[self.command][0]}")
            getattr(module, f"add_{self.command.replace('-', '_')}")(self)
            self.command = ""
        return super().parse_known_args(_with_texts(args), namespace)


def _with_texts(words: Sequence[str]) -> list[str]:
    """The arguments, where a text may begin with a hyphen: ``--text -hello``."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in TEXTS and word[:1] == "-" and word[:2] != "--" and word != "-":
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a console cannot write is shown as \\uXXXX
            stream.reconfigure(errors="backslashreplace")
    try:
        options, further = _parser().parse_known_args(arguments)
        if hasattr(options, "streamlit"):
            options.streamlit = further
        elif further:
            _parser().error(f"unrecognized arguments: {' '.join(further)}")
        log.configure_command(options.log_level)
        if options.command != "doctor" and (problems := settings.problems()):
            raise HeadlabError(" ".join(problems))
        if "prepare" in options:
            options.prepare(options)
        return options.run(options)
    except SystemExit as stop:  # argparse has printed help or what it did not understand
        return int(stop.code or 0)
    except HeadlabError as error:
        print(f"headlab: {error}", file=sys.stderr)
        return FAILED
    except MemoryError:
        print(
            "headlab: the memory ran out: take a shorter text or a smaller model, or close other "
            "programs.",
            file=sys.stderr,
        )
        return FAILED
    except KeyboardInterrupt:
        print("headlab: stopped.", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    name = "headlab" if Path(sys.argv[0]).stem == "headlab" else "python -m headlab"
    parser = argparse.ArgumentParser(
        prog=name,
        description="A laboratory for attention heads: scores on named behaviours, and the app.",
        epilog=f"`{name} COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"headlab {__version__}")
    parser.add_argument(
        "--log-level",
        type=str.upper,
        choices=settings.LEVELS,
        help="how much is logged on standard error (HEADLAB_LOG_LEVEL, else WARNING)",
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Command
    )
    for command, (_, words) in COMMANDS.items():
        commands.add_parser(command, help=words).command = command
    return parser
