"""What is taken out of texts, in whatever spelling it stands there."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import quote

import pytest
import structlog

from workflow_engine.core.logging import configure, get_logger
from workflow_engine.core.redaction import LOGS, Redactor

SECRET = 'p&ss "wörd"/1'


def redactor(*values: str, limit: int = 512) -> Redactor:
    made = Redactor(limit)
    made.add(values)
    return made


@pytest.mark.parametrize(
    "text",
    [
        f"refused: {SECRET}!",
        f"GET /?key={quote(SECRET)}",
        f"GET /?key={quote(SECRET, safe='')}",
        json.dumps({"key": SECRET}),
        f"Authorization: Basic {base64.b64encode(SECRET.encode()).decode()}",
        f"KeyError: {SECRET!r}",
    ],
)
def test_every_spelling_is_found(text: str) -> None:
    shown = redactor(SECRET).text(text)
    assert "***" in shown
    assert "rd" not in shown.removeprefix("refused"), shown


def test_the_longer_of_two_secrets_is_taken_out_whole() -> None:
    assert redactor("hunter", "hunter2").text("hunter2, hunter") == "***, ***"


def test_short_values_would_tear_words_and_stay() -> None:
    assert redactor("ab", "").text("about") == "about"


def test_a_line_of_a_key_gives_it_away_as_well() -> None:
    pem = "-----BEGIN KEY-----\nMIIEvQ\nIBADAN\n-----END KEY-----\n"
    assert redactor(pem).text("can not parse MIIEvQ") == "can not parse ***"


def test_values_within_values_are_found() -> None:
    shown = redactor("hunter2").value({"a": ["hunter2", 1, None], "hunter2": True})
    assert shown == {"a": ["***", 1, None], "***": True}


def test_the_oldest_values_are_forgotten_past_the_limit() -> None:
    made = redactor("first-secret", "second-secret", limit=2)
    made.add(["first-secret"])
    made.add(["third-secret"])
    assert made.text("first-secret second-secret third-secret") == "*** second-secret ***"


def test_logs_show_no_secret_not_even_in_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    LOGS.add(["hunter2-of-the-log"])
    configure("INFO", as_json=True)
    try:
        try:
            raise ValueError("cannot use hunter2-of-the-log")
        except ValueError:
            get_logger("ours").exception("failed", detail=["hunter2-of-the-log"])
        logging.getLogger("theirs").warning("they say %s", "hunter2-of-the-log")
    finally:
        logging.getLogger().handlers.clear()
        structlog.reset_defaults()
    said = capsys.readouterr().err
    assert said.count("***") == 4, said
    assert "hunter2" not in said
