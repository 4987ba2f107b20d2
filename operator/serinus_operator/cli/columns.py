"""Tables as kubectl prints them: the printer columns of the CRD, ages, and its tab stops. Pure."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import Any

from serinus_api.crd import COLUMNS

_CONDITION = re.compile(r'^\.status\.conditions\[\?\(@\.type=="(\w+)"\)\]\.(\w+)$')
MIN_WIDTH, PADDING = 6, 3
"""Of kubectl's tables."""


def models_table(models: Iterable[dict[str, Any]], now: dt.datetime, *, wide: bool, namespaces: bool) -> str:
    """`kubectl get mdep`, with `-o wide` and `-A`."""
    columns = [column for column in COLUMNS if wide or column[3] == 0]
    rows = [[*(["NAMESPACE"] if namespaces else []), "NAME", *(column[0].upper() for column in columns)]]
    for model in models:
        meta = model["metadata"]
        cells = [_cell(model, kind, path, now) for _, kind, path, _, _ in columns]
        rows.append([*([meta["namespace"]] if namespaces else []), meta["name"], *cells])
    return aligned(rows)


def events_table(events: Iterable[dict[str, Any]], now: dt.datetime) -> str:
    """`kubectl events --for mdep/NAME`."""
    rows = [["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]]
    for event in events:
        about = event["involvedObject"]
        target = f"{about['kind']}/{about['name']}"
        rows.append([interval(event, now), event["type"], event["reason"], target, event["message"].strip()])
    return aligned(rows)


def interval(event: dict[str, Any], now: dt.datetime) -> str:
    """`5s`, or `5s (x3 over 2m)` for one that came again."""
    last = age(event["lastTimestamp"], now)
    count = event.get("count", 1)
    return last if count < 2 else f"{last} (x{count} over {age(event['firstTimestamp'], now)})"


def value_at(manifest: dict[str, Any], path: str) -> Any:
    """What a printer column's JSONPath leads to; None for nothing. Fields, and one condition by its type."""
    if found := _CONDITION.match(path):
        kind, field = found.groups()
        conditions = manifest.get("status", {}).get("conditions", ())
        return next((condition.get(field) for condition in conditions if condition["type"] == kind), None)
    value: Any = manifest
    for name in path.removeprefix(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def aligned(rows: Sequence[Sequence[str]], *, minimum: int = MIN_WIDTH, padding: int = PADDING) -> str:
    """Columns as wide as their widest cell; nothing is padded after the last."""
    widths = [max(minimum, max(len(row[i]) for row in rows) + padding) for i in range(len(rows[0]) - 1)]
    lines = ("".join(c.ljust(w) for c, w in zip(row[:-1], widths, strict=True)) + row[-1] for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def age(timestamp: str, now: dt.datetime) -> str:
    """Time since a timestamp, as kubectl rounds it."""
    return human((now - dt.datetime.fromisoformat(timestamp)).total_seconds())


def human(seconds: float) -> str:
    """A duration as kubectl writes it.

    Two units while the larger one is small: `119s`, `2m`, `9m59s`, `10m`, `2h59m` is `179m`, `3h5m`, `47h`, `2d1h`,
    `8d`, `729d`, `2y`, `3y10d`.
    """
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -1 else "0s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    steps = (
        (whole < 120, f"{whole}s"),
        (minutes < 10, _two(minutes, "m", whole % 60, "s")),
        (minutes < 180, f"{minutes}m"),
        (hours < 8, _two(hours, "h", minutes % 60, "m")),
        (hours < 48, f"{hours}h"),
        (hours < 192, _two(days, "d", hours % 24, "h")),
        (days < 730, f"{days}d"),
        (days < 2920, _two(days // 365, "y", days % 365, "d")),
    )
    return next((text for fits, text in steps if fits), f"{days // 365}y")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if small else "")


def _cell(model: dict[str, Any], kind: str, path: str, now: dt.datetime) -> str:
    value = value_at(model, path)
    if value is None:
        return ""
    return age(value, now) if kind == "date" else str(value)
