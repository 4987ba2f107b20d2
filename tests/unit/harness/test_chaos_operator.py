"""An error of the operator's own is found in its log, as it really writes it."""

import logging

from tests.chaos.operator import tracebacks

from serinus_operator.logs import ConsoleFormatter


def told(*errors: Exception) -> str:
    """A log with these, and a line before and after them."""
    formatter = ConsoleFormatter()
    lines = [("Lease taken", None), *(("Handler failed", error) for error in errors), ("Condition changed", None)]
    return "\n".join(
        formatter.format(
            logging.LogRecord(
                "serinus", 20, "", 1, words, (), (type(error), error, error.__traceback__) if error else None
            )
        )
        for words, error in lines
    )


def test_log_without_an_error_has_no_complaint() -> None:
    assert tracebacks(told()) == []


def test_error_of_its_own_is_a_complaint() -> None:
    try:
        raise ValueError("no such revision")
    except ValueError as error:
        (complaint,) = tracebacks(told(error))
    assert "Handler failed" in complaint
