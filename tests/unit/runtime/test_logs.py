"""The form of log lines."""

import json
import logging

from serinus_runtime.logs import ConsoleLine, JsonLine, fields


def record(message: str, error: Exception | None = None, **facts: object) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    made = logging.LogRecord("serinus_runtime.x", logging.INFO, __file__, 1, message, None, info)
    made.__dict__.update(fields(**facts))
    return made


def test_json_is_one_object_a_line() -> None:
    line = JsonLine().format(record('Loaded "it"\n', seconds=0.5, path=object))
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("info", "serinus_runtime.x", 'Loaded "it"\n')
    assert (told["seconds"], told["path"]) == (0.5, "<class 'object'>")


def test_a_traceback_stays_on_the_json_line() -> None:
    line = JsonLine().format(record("Failed", ValueError("why")))
    assert "\n" not in line
    assert "ValueError: why" in json.loads(line)["traceback"]


def test_the_console_shows_keys_and_values() -> None:
    line = ConsoleLine().format(record("Ready", revision="iris-1", threads=2))
    assert line.endswith("info    Ready revision=iris-1 threads=2")
    assert ConsoleLine().format(record("Failed", ValueError("why"))).endswith("Failed\nValueError: why")
