"""Logs: one line per event, as JSON or as `key=value` for people. Values never hold secrets or payloads."""

import datetime as dt
import json
import logging
import sys
from typing import Any, Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "settings"}


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was logged beside the message: the `extra` of the call."""
    return {k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("k8s_")}


class JsonFormatter(logging.Formatter):
    """`{"time": …, "level": "info", "logger": …, "message": …, …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """`12:00:00 info    Condition changed object=ml/iris condition=Ready …`."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        pairs = " ".join(f"{k}={_quoted(v)}" for k, v in fields_of(record).items())
        line = f"{_time(record)[11:19]} {record.levelname.lower():<7} {record.getMessage()} {pairs}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(log_format: str, level: str) -> None:
    """Send all logs to standard output. Kopf's own are shown from WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter() if log_format == "json" else ConsoleFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("kopf", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _time(record: logging.LogRecord) -> str:
    return dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n') else text
