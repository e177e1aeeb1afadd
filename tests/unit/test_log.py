"""Logs: one JSON object a line on a server, and never a learner's words."""

import json
import logging

import pytest

from headlab import log
from headlab.ui.services import start_page  # noqa: F401 - brings streamlit and its loggers


@pytest.fixture(autouse=True)
def as_it_was():
    """The logger as other tests expect it."""
    handlers, level = log.LOG.handlers[:], log.LOG.level
    yield
    log.LOG.handlers[:] = handlers
    log.LOG.setLevel(level)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_server_logs_events_as_json(capsys):
    log.configure_server()
    log.event("model opened", layers=12)
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["layers"]) == ("model opened", "INFO", 12)
    assert line["time"].endswith("+00:00")


def test_an_error_is_logged_without_what_it_quotes(capsys):
    log.configure_server()
    try:
        {}["my secret words"]
    except KeyError:
        log.failed("a page failed")
    (line,) = lines(capsys)
    assert line["error"] == "KeyError" and __file__ in line["at"][-1]
    assert "secret" not in json.dumps(line)


def test_streamlit_s_own_errors_do_not_quote_either(capsys):
    logger = logging.getLogger("streamlit.error_util")
    assert logger.handlers  # made when streamlit is imported
    log.configure_server()
    stream = logger.handlers[0].format(
        logging.LogRecord("x", 40, "f", 1, "Uncaught app execution", (), error_with("secret"))
    )
    assert "secret" not in stream and json.loads(stream)["error"] == "ValueError"


def error_with(words):
    try:
        raise ValueError(words)
    except ValueError as error:
        return type(error), error, error.__traceback__


def test_the_level_is_a_setting(capsys, monkeypatch):
    monkeypatch.setenv("HEADLAB_LOG_LEVEL", "error")
    log.configure_server()
    log.event("nothing of this")
    log.configure_command(None)
    log.LOG.warning("nor of this")
    log.configure_command("DEBUG")
    log.LOG.debug("but of this")
    assert capsys.readouterr().err == "headlab: but of this\n"
