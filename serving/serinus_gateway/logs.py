"""Log lines: JSON for machines, `key=value` for people, on standard error. Called once by `main.py`.

There is no access log, and no request's content ever reaches a line. Facts travel as `extra=fields(...)`.
"""

import json
import logging
import sys
from typing import Any, Literal


def fields(**facts: object) -> dict[str, Any]:
    """The `extra` argument of a log call that carries `facts` as keys of the line."""
    return {"facts": facts}


class Line(logging.Formatter):
    """One line per record."""

    def __init__(self, form: Literal["json", "console"]) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        facts: dict[str, Any] = getattr(record, "facts", {})
        stamp = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}"
        level, text = record.levelname.lower(), record.getMessage()
        if self._form == "json":
            line = {"time": stamp, "level": level, "logger": record.name, "message": text, **facts}
            if record.exc_info:
                line["traceback"] = self.formatException(record.exc_info)
            return json.dumps(line, default=str)
        said = " ".join([f"{stamp} {level:<7} {text}", *(f"{key}={value}" for key, value in facts.items())])
        return f"{said}\n{self.formatException(record.exc_info)}" if record.exc_info else said


def configure_logs(form: Literal["json", "console"], level: str) -> None:
    """Send every logger of the process through one handler; libraries speak from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line(form))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("serinus_gateway").setLevel(level)
