"""`headlab app` and `headlab serve`: how streamlit is called, and what is said before."""

import os
import socket
import subprocess
import sys

import pytest

from headlab.cli import DONE, FAILED, MISUNDERSTOOD, laboratory, main
from headlab.errors import HeadlabError
from headlab.places import app_folder

RUN = [sys.executable, "-m", "streamlit", "run", str(app_folder() / "streamlit_app.py")]
ROOM = ["--server.address=0.0.0.0", "--server.headless=true"]


@pytest.fixture
def calls(monkeypatch):
    """What streamlit is called with, on a machine with an address and a free port."""
    made = []
    monkeypatch.setattr(laboratory, "hand_over", lambda words: made.append(words) or 0)
    monkeypatch.setattr(laboratory, "own_address", lambda: "192.168.1.20")
    monkeypatch.setattr(laboratory, "check_port", lambda port: None)
    for name in ("HEADLAB_PUBLIC", "HEADLAB_ROOM", "HEADLAB_LOG_LEVEL", "STREAMLIT_SERVER_PORT"):
        monkeypatch.setenv(name, "")  # so that what is set is taken back
        monkeypatch.delenv(name)
    return made


def test_app_passes_on_what_is_streamlit_s(calls):
    assert main(["app", "--server.port", "8600", "--log=x", "--log-level", "debug"]) == DONE
    assert calls == [[*RUN, "--server.port", "8600", "--log=x"]]
    assert os.environ["HEADLAB_LOG_LEVEL"] == "DEBUG"
    assert "HEADLAB_PUBLIC" not in os.environ


def test_other_commands_pass_nothing_on(capsys):
    assert main(["models", "--server.port", "8600"]) == MISUNDERSTOOD
    assert "unrecognized arguments: --server.port 8600" in capsys.readouterr().err


def test_handing_over_gives_the_exit_code_of_the_other_program():
    code = "from headlab.cli import laboratory; import sys; "
    code += "sys.exit(laboratory.hand_over([sys.executable, '-c', 'raise SystemExit(7)']))"
    assert subprocess.run([sys.executable, "-c", code], cwd=app_folder()).returncode == 7


def test_serve_opens_to_the_network_for_strangers(calls, capsys):
    assert main(["serve", "--server.port", "8600", "--theme.base=dark"]) == DONE
    assert calls == [
        [*RUN, *ROOM, "--server.port=8600"]
        + ["--browser.serverAddress=192.168.1.20", "--theme.base=dark"]
    ]
    assert os.environ["HEADLAB_PUBLIC"] == "1"
    assert os.environ["HEADLAB_ROOM"] == "http://192.168.1.20:8600"
    assert "The room opens  http://192.168.1.20:8600" in capsys.readouterr().out


def test_serve_leaves_settings_of_one_s_own_alone(calls, monkeypatch):
    monkeypatch.setenv("HEADLAB_PUBLIC", "0")
    monkeypatch.setenv("HEADLAB_ROOM", "https://headlab.school.example")
    assert main(["serve"]) == DONE
    assert os.environ["HEADLAB_PUBLIC"] == "0"
    assert os.environ["HEADLAB_ROOM"] == "https://headlab.school.example"


def test_serve_without_a_network_says_so(calls, monkeypatch, capsys):
    monkeypatch.setattr(laboratory, "own_address", lambda: None)
    assert main(["serve"]) == DONE
    assert calls == [[*RUN, *ROOM, "--server.port=8501"]]
    assert "in no network" in capsys.readouterr().out
    assert "HEADLAB_ROOM" not in os.environ


def test_a_port_that_is_taken_or_none_is_said_before_the_start():
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        with pytest.raises(HeadlabError, match="in use"):
            laboratory.check_port(str(taken.getsockname()[1]))
    for wrong in ("", "x", "-1", "0", "70000"):
        with pytest.raises(HeadlabError, match="is not a valid port"):
            laboratory.check_port(wrong)
    for kept in ("22", "1023"):  # for root too, who could take them
        with pytest.raises(HeadlabError, match="kept for services of the system"):
            laboratory.open_here(["--server.port", kept])
        with pytest.raises(HeadlabError, match="kept for services of the system"):
            laboratory.open_to_room([f"--server.port={kept}"])


def test_the_own_address_is_one_that_sockets_take():
    address = laboratory.own_address()
    assert address is None or socket.inet_aton(address)


def test_a_mistaken_setting_stops_the_start(calls, monkeypatch, capsys):
    monkeypatch.setenv("HEADLAB_MEMORY", "much")
    assert main(["app"]) == FAILED
    assert "HEADLAB_MEMORY is 'much': set it to" in capsys.readouterr().err
    assert calls == []
