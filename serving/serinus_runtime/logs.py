"""Log lines: JSON for machines, `key=value` for people, on standard error; called once by `main.py`.

Lines are written only when something changed; there is no access log, and no request's content ever reaches one. Extra
facts travel as `extra=fields(...)`.
"""

import json
import logging
import sys
from typing import Any, Literal


def fields(**facts: object) -> dict[str, Any]:
    """The `extra` argument of a log call that carries `facts` as keys of the line."""
    return {"facts": facts}


class JsonLine(logging.Formatter):
    """One JSON object a line: time, level, logger, message, facts, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = _common(record) | {"message": record.getMessage()} | getattr(record, "facts", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ConsoleLine(logging.Formatter):
    """`time level message key=value …`; a traceback follows on its own lines."""

    def format(self, record: logging.LogRecord) -> str:
        common = _common(record)
        facts = "".join(f" {key}={value}" for key, value in getattr(record, "facts", {}).items())
        line = f"{common['time']} {common['level']:<7} {record.getMessage()}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _common(record: logging.LogRecord) -> dict[str, Any]:
    stamp = logging.Formatter().formatTime(record, "%Y-%m-%dT%H:%M:%S")
    return {"time": f"{stamp}.{int(record.msecs):03d}", "level": record.levelname.lower(), "logger": record.name}


def configure_logs(form: Literal["json", "console"]) -> None:
    """Send every logger of the process through one handler; libraries speak from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine() if form == "json" else ConsoleLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("serinus_runtime").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
