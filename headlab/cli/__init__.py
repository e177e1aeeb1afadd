"""The command line: ``python -m headlab COMMAND``, explained by ``--help``.

Exit codes: 0 done, 1 something could not be done (one sentence on standard error), 2 the command
was not understood. Each group of commands is a module that adds its parsers and holds what they
run; none knows another, all may use ``shared``.
"""

import argparse
import sys
from collections.abc import Sequence

from headlab import log, settings
from headlab.__version__ import __version__
from headlab.cli import compare, doctor, interventions, models, report, scores, sheets, verify
from headlab.cli.shared import DONE, FAILED, MISUNDERSTOOD
from headlab.errors import HeadlabError

__all__ = ["DONE", "FAILED", "MISUNDERSTOOD", "main"]

# in the order in which --help lists them
_GROUPS = (models, scores, report, verify, compare, doctor, interventions, sheets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse has printed help or what it did not understand
        return int(stop.code or 0)
    log.configure_command(options.log_level)
    try:
        if options.command != "doctor" and (problems := settings.problems()):
            raise HeadlabError(" ".join(problems))
        return options.run(options)
    except HeadlabError as error:
        print(f"headlab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("headlab: stopped.", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m headlab",
        description="Score attention heads on named behaviours.",
        epilog="`python -m headlab COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"headlab {__version__}")
    parser.add_argument(
        "--log-level",
        type=str.upper,
        choices=settings.LEVELS,
        help="how much is logged on standard error (HEADLAB_LOG_LEVEL, else WARNING)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add_commands(commands)
    return parser
