"""Log lines, for machines and for people."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from serinus_operator import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    for name in ("kopf", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def written(log_format: str, monkeypatch: pytest.MonkeyPatch, level: str = "INFO") -> io.StringIO:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    logs.configure(log_format, level)
    return out


def test_json_line_holds_message_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    out = written("json", monkeypatch)
    logging.getLogger("serinus").info("Condition changed", extra={"object": "ml/iris", "reason": "Zoë", "count": 2})
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "serinus",
        "message": "Condition changed",
        "object": "ml/iris",
        "reason": "Zoë",
        "count": 2,
    }


def test_json_line_holds_the_traceback_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out = written("json", monkeypatch)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("serinus").exception("Reconcile failed")
    assert out.getvalue().count("\n") == 1
    assert "ValueError: boom" in json.loads(out.getvalue())["traceback"]


def test_console_line_reads_as_key_and_value(monkeypatch: pytest.MonkeyPatch) -> None:
    out = written("console", monkeypatch)
    logging.getLogger("serinus").warning("Lease lost", extra={"lease": "x", "why": "no answer", "empty": ""})
    assert out.getvalue()[8:] == ' warning Lease lost lease=x why="no answer" empty=""\n'


def test_value_with_a_line_end_cannot_forge_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for log_format in ("console", "json"):
        out = written(log_format, monkeypatch)
        logging.getLogger("serinus").info("Look", extra={"detail": "a\n12:00:00 info forged"})
        assert out.getvalue().count("\n") == 1


def test_level_is_respected_and_kopf_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    out = written("json", monkeypatch)
    logging.getLogger("serinus").debug("not shown")
    logging.getLogger("kopf.objects").info("not shown either")
    assert out.getvalue() == ""
    logging.getLogger("kopf.objects").warning("shown")
    assert json.loads(out.getvalue())["message"] == "shown"


def test_fields_that_kopf_adds_are_not_shown() -> None:
    record = logging.makeLogRecord({"msg": "x", "k8s_ref": {"uid": "u"}, "settings": object(), "mine": 1})
    assert logs.fields_of(record) == {"mine": 1}
