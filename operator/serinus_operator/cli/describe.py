"""`kubectl describe` for a ModelDeployment: the same order, labels and tab stops. Pure.

kubectl writes lines with tabs and aligns each run of neighbouring lines that have one; so does `tabbed`.
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from serinus_operator.cli.columns import aligned, interval
from serinus_operator.cluster.merge import LAST_APPLIED

ACRONYMS = {"API", "URL", "UID", "OSB", "GUID"}
SKIPPED = frozenset(
    {
        ".kind",
        ".apiVersion",
        ".metadata.name",
        ".metadata.namespace",
        ".metadata.labels",
        ".metadata.annotations",
        ".metadata.managedFields",
    }
)
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z]?[a-z]+|[A-Z]+|-")
LONGEST_ANNOTATION = 140


def describe(model: dict[str, Any], events: Sequence[dict[str, Any]], now: dt.datetime) -> str:
    """The whole text, without a line end."""
    meta = model["metadata"]
    lines = [
        f"Name:\t{meta['name']}",
        f"Namespace:\t{meta['namespace']}",
        *_pairs("Labels", {key: f"={value}" for key, value in (meta.get("labels") or {}).items()}),
        *_pairs("Annotations", {k: f": {v}" for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}),
        f"API Version:\t{model['apiVersion']}",
        f"Kind:\t{model['kind']}",
        *_content(model, 0, ""),
    ]
    if not events:
        return f"{tabbed(lines)}\nEvents:  <none>"
    rows = [["  Type", "Reason", "Age", "From", "Message"], ["  ----", "------", "----", "----", "-------"]]
    for event in events:
        who = event.get("source", {}).get("component") or event.get("reportingComponent", "")
        rows.append([f"  {event['type']}", event["reason"], interval(event, now), who, event["message"].strip()])
    return f"{tabbed(lines)}\nEvents:\n{aligned(rows, minimum=0, padding=2)}"


def label(field: str) -> str:
    """`readyReplicas` is `Ready Replicas`, `uid` is `UID`; a name with other characters stays as it is."""
    if not re.fullmatch(r"[A-Za-z-]+", field):
        return field
    parts = _PARTS.findall(field)
    return " ".join(part.upper() if part.upper() in ACRONYMS else part.capitalize() for part in parts)


def tabbed(lines: Sequence[str]) -> str:
    """Each run of lines with a tab gets one column, two blanks wider than its widest label."""
    result: list[str] = []
    for has_tab, run in groupby(lines, key=lambda line: "\t" in line):
        if has_tab:
            result.append(aligned([line.split("\t", 1) for line in run], minimum=0, padding=2))
        else:
            result += list(run)
    return "\n".join(result)


def _pairs(title: str, pairs: dict[str, str]) -> Iterator[str]:
    if not pairs:
        yield f"{title}:\t<none>"
    for number, (key, value) in enumerate(sorted(pairs.items())):
        text = " ".join(f"{key}{value}".split("\n"))
        cut = text if len(text) <= LONGEST_ANNOTATION else f"{text[: LONGEST_ANNOTATION - 3]}..."
        yield f"{'' if number else f'{title}:'}\t{cut}"


def _content(value: dict[str, Any], level: int, path: str) -> Iterator[str]:
    indent = "  " * level
    for field in sorted(value):
        where, below = f"{path}.{field}", value[field]
        if where in SKIPPED:
            continue
        if isinstance(below, dict):
            yield f"{indent}{label(field)}:"
            yield from _content(below, level + 1, where)
        elif isinstance(below, list):
            yield f"{indent}{label(field)}:"
            for item in below:
                if isinstance(item, dict):
                    yield from _content(item, level + 1, where)
                else:
                    yield f"{indent}  {_shown(item)}"
        else:
            yield f"{indent}{label(field)}:\t{_shown(below)}"


def _shown(value: Any) -> str:
    """As Go prints it, on one line."""
    if value is None:
        return "<nil>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\n", "\\n").replace("\t", " ")
