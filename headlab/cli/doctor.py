"""``doctor``: this machine before a lesson, or a running server."""

import argparse
import itertools
import json
import time
from dataclasses import asdict
from datetime import datetime

from headlab.cli import checks
from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import add_json, positive


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """What `doctor` takes."""
    parser.description = (
        "Check versions, settings, memory, device, cache folder, hub and port, and say "
        "what to do. Exit code 1: something must be done first."
    )
    parser.add_argument("--port", type=positive, default=8501, help="the port to serve on (8501)")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="sessions, cache, model time and memory of a running server, until Ctrl+C",
    )
    parser.add_argument(
        "--address",
        default="http://localhost:8501",
        metavar="URL",
        help="the server to watch (http://localhost:8501)",
    )
    parser.add_argument("--every", type=positive, default=5, metavar="S", help="seconds (5)")
    parser.add_argument("--times", type=positive, metavar="N", help="stop after N lines")
    add_json(parser)
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    if options.watch:
        return _watch(options)
    findings = []
    for finding in checks.examine(options.port):
        findings.append(finding)
        if not options.json:
            print(f"{finding.state:>5}  {finding.check}: {finding.found}")
            if finding.remedy:
                print(f"       {finding.remedy}")
    if options.json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    return FAILED if any(finding.state == checks.WRONG for finding in findings) else DONE


def _watch(options: argparse.Namespace) -> int:
    """One line after another, until stopped."""
    for number in itertools.count():
        figures = checks.watch(options.address)
        now = datetime.now().strftime("%H:%M:%S")
        if options.json:
            print(json.dumps({"time": now} | figures), flush=True)
        else:
            if number % 20 == 0:
                print("  ".join(f"{name:>12}" for name in ("time", *figures)))
            print("  ".join(f"{value:>12}" for value in (now, *figures.values())), flush=True)
        if number + 1 == options.times:
            break
        time.sleep(options.every)
    return DONE
