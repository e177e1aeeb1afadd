"""``app`` and ``serve``: the laboratory in the browser, for one person or for a room."""

import argparse
import os
import secrets
import socket
import subprocess
import sys

from headlab import settings
from headlab.errors import HeadlabError
from headlab.places import app_folder

_FURTHER = "Further arguments go to streamlit, such as --server.port 8600."


def add_app(parser: argparse.ArgumentParser) -> None:
    """What `app` takes."""
    parser.description = f"Open the laboratory in the browser, for this machine only. {_FURTHER}"
    _add_start(parser)
    parser.set_defaults(run=lambda options: _run(options, open_here(options.streamlit)))


def add_serve(parser: argparse.ArgumentParser) -> None:
    """What `serve` takes."""
    parser.description = (
        "Open the laboratory to everybody in this network: the address is printed, and shown as a "
        f"QR code on the start page. {_FURTHER}"
    )
    _add_start(parser)
    parser.set_defaults(run=lambda options: _run(options, open_to_room(options.streamlit)))


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.allow_abbrev = False  # what looks like the beginning of ours may be streamlit's
    parser.add_argument(
        "--log-level",
        type=str.upper,
        choices=settings.LEVELS,
        default=argparse.SUPPRESS,
        help="how much is logged (HEADLAB_LOG_LEVEL, else INFO)",
    )
    parser.set_defaults(streamlit=[])


def _run(options: argparse.Namespace, arguments: list[str]) -> int:
    if options.log_level is not None:
        os.environ["HEADLAB_LOG_LEVEL"] = options.log_level
    script = str(app_folder() / "streamlit_app.py")  # streamlit finds its settings beside it
    return hand_over([sys.executable, "-m", "streamlit", "run", script, *arguments])


def hand_over(call: list[str]) -> int:
    """Become another program, so that Ctrl+C reaches it; where that cannot be, wait for it."""
    if os.name == "posix":
        os.execv(call[0], call)
    return subprocess.call(call)


def open_here(arguments: list[str]) -> list[str]:
    """Streamlit's arguments for this machine alone; a port that is named must be one to take."""
    port, _ = take_option(arguments, "--server.port")
    if port is not None:
        check_port(port)
    return arguments


def open_to_room(arguments: list[str]) -> list[str]:
    """Streamlit's arguments for a room; says where it is reached and on whose terms."""
    port, arguments = take_option(arguments, "--server.port")
    port = port or os.environ.get("STREAMLIT_SERVER_PORT") or "8501"
    check_port(port)
    os.environ.setdefault("HEADLAB_PUBLIC", "1")
    word = os.environ.setdefault("HEADLAB_TEACHER", secrets.token_hex(5))
    opened = ["--server.address=0.0.0.0", "--server.headless=true", f"--server.port={port}"]
    address = own_address()
    if address is None:
        print(f"This machine is in no network: only it can open http://localhost:{port}.")
        return opened + arguments
    room = os.environ.setdefault("HEADLAB_ROOM", f"http://{address}:{port}")
    print(
        f"\nThe room opens  {room}\nEverybody in this network can; stop with Ctrl+C.\n"
        f"To see what learners answer, open  {room}/Class  : the teacher's word is  {word}\n",
        flush=True,
    )
    # with its own address named, streamlit does not ask a server outside for it
    return [*opened, f"--browser.serverAddress={address}", *arguments]


def take_option(arguments: list[str], name: str) -> tuple[str | None, list[str]]:
    """The value of an option written `--name value` or `--name=value`, and the other arguments."""
    value, others = None, []
    words = iter(arguments)
    for word in words:
        if word == name:
            value = next(words, "")
        elif word.startswith(f"{name}="):
            value = word[len(name) + 1 :]
        else:
            others.append(word)
    return value, others


def check_port(port: str) -> None:
    """Stop where the port is no number or somebody listens there already."""
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise HeadlabError(
            f"{port!r} is not a valid port: choose a number from 1024 to 65535, such as "
            "--server.port 8600."
        )
    if int(port) < 1024:
        raise HeadlabError(
            f"Port {port} is kept for services of the system: choose a number from 1024 to 65535, "
            "such as --server.port 8600."
        )
    with socket.socket() as probe:
        if os.name == "posix":  # elsewhere this would let two programs share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", int(port)))
        except OSError as error:
            raise HeadlabError(
                f"Port {port} is in use or not allowed here: stop what runs there, or choose "
                "another one with --server.port 8600."
            ) from error


def own_address() -> str | None:
    """This machine's address in its network, or None without one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documents: only a route is looked up
            return str(probe.getsockname()[0])
        except OSError:
            return None
