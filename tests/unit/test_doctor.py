"""The doctor looks at everything, says what to do, and watches a server through its figures."""

import http.server
import json
import shutil
import socket
import threading

import pytest

from headlab import cli
from headlab.cli import checks
from headlab.exercises import guided
from headlab.models import hub


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path / "cache"))


def findings(capsys, *arguments):
    code = cli.main(["doctor", "--json", *arguments])
    found = json.loads(capsys.readouterr().out)["findings"]
    return code, {finding["check"]: finding for finding in found}


def test_everything_is_looked_at(capsys):
    _, found = findings(capsys)
    assert set(found) == {
        *(
            "python",
            "packages",
            "settings",
            "device",
            "memory",
            "cache",
            "models",
            "prompts",
            "hub",
            "port",
        )
    }
    assert "mini" in found["models"]["found"]
    assert cli.main(["doctor"]) in (cli.DONE, cli.FAILED)
    assert "python: headlab" in capsys.readouterr().out


def test_what_is_wrong_has_a_remedy(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("HEADLAB_PUBILC", "1")
    monkeypatch.setattr(checks, "free_memory", lambda device: 10**9)
    code, found = findings(capsys)
    assert code == cli.FAILED
    for check in ("settings", "memory", "cache"):
        assert found[check]["state"] == checks.WRONG and found[check]["remedy"]


def test_a_text_with_a_mistake_is_named(capsys, monkeypatch, tmp_path):
    (tmp_path / "kaputt.toml").write_text('order = 7\ntitel = "T"\ntext = "x"\nlook = "y"\n')
    shutil.copy(guided.FOLDER / "homes.toml", tmp_path)
    monkeypatch.setattr(guided, "FOLDER", tmp_path)
    code, found = findings(capsys)
    assert code == cli.FAILED and found["prompts"]["state"] == checks.WRONG
    remedy = found["prompts"]["remedy"]
    assert "kaputt.toml, line 2: Unknown key 'titel'. Did you mean 'title'?" in remedy


def test_packages_are_held_against_those_tested(monkeypatch, tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy==0.1\nheadlab-no-such==1.0\n")
    monkeypatch.setattr(checks, "REQUIREMENTS", tmp_path / "requirements.txt")
    older, missing = checks._packages()
    assert (older.state, missing.state) == (checks.WORTH_KNOWING, checks.WRONG)


def test_a_hub_that_does_not_answer_is_no_disaster(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for endpoint in ("http://127.0.0.1:9", "no address"):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert hub.settings().endpoint == endpoint
        finding = checks._hub()
        assert finding.state == checks.WORTH_KNOWING and "does not answer" in finding.found


def test_a_port_that_is_taken(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        _, found = findings(capsys, "--port", str(taken.getsockname()[1]))
    assert "listens on" in found["port"]["found"]


class Published(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        lines = ["# TYPE active_sessions gauge", "active_sessions 7", "headlab_waiting 2"]
        lines += ["headlab_cache_hits_total 30", 'cache_lookups_total{cache="x"} 5']
        self.wfile.write("\n".join(lines).encode())

    def log_message(self, *_):
        pass


def test_a_server_is_watched_through_its_figures(capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.HTTPServer(("127.0.0.1", 0), Published) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        watch = ["doctor", "--watch", "--address", address]
        assert cli.main([*watch, "--times", "1", "--json"]) == cli.DONE
        line = json.loads(capsys.readouterr().out)
        assert (line["sessions"], line["waiting"], line["hits"]) == (7, 2, 30)
        assert cli.main([*watch, "--times", "2", "--every", "1"]) == cli.DONE
        assert len(capsys.readouterr().out.splitlines()) == 3
        server.shutdown()


def test_no_server_is_a_sentence(capsys):
    assert cli.main(["doctor", "--watch", "--address", "http://127.0.0.1:9"]) == cli.FAILED
    assert "No server answers at http://127.0.0.1:9" in capsys.readouterr().err
