"""The verbs on a running instance: get, describe, events, logs, delete, and the actions. kubectl's words."""

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml

from serinus_api import names
from serinus_operator.cli import exits
from serinus_operator.cli.client import Client
from serinus_operator.cli.columns import events_table, models_table
from serinus_operator.cli.describe import describe as described
from serinus_operator.cli.exits import Fault
from serinus_operator.clock import read_clocks

Format = Literal["", "wide", "yaml", "json"]
ACTIONS = {
    "promote": names.ANNOTATION_PROMOTE,
    "abort": names.ANNOTATION_ABORT,
    "retry": names.ANNOTATION_RETRY,
    "refresh": names.ANNOTATION_REFRESH,
}
STEP_MILLISECONDS, LOOK_MILLISECONDS = 50, 500
"""Of `logs --follow`: lines that follow each other faster are printed together; so often it looks in any case."""
TITLE = f"{names.SINGULAR}.{names.GROUP}"


def get(state: Path, name: str | None, namespace: str | None, form: Format) -> int:
    """Print one or all; `namespace` None means all of them."""
    client = Client(state)
    if name is not None:
        models = [client.model(namespace or "default", name)]
    else:
        models = [m for m in client.models() if namespace in (None, m["metadata"]["namespace"])]
    if form in ("yaml", "json"):
        _print_documents(models, form, single=name is not None)
    elif not models:
        where = f" in {namespace} namespace" if namespace else ""
        print(f"No resources found{where}.", file=sys.stderr)
    else:
        print(models_table(models, read_clocks().wall, wide=form == "wide", namespaces=namespace is None))
    return exits.OK


def describe(state: Path, name: str, namespace: str) -> int:
    """Print what `kubectl describe` would."""
    client = Client(state)
    print(described(client.model(namespace, name), client.events(namespace, name), read_clocks().wall))
    return exits.OK


def events(state: Path, name: str, namespace: str) -> int:
    """Print what `kubectl events --for` would."""
    found = Client(state).events(namespace, name)
    if found:
        print(events_table(found, read_clocks().wall))
    else:
        print(f"No events found in {namespace} namespace.", file=sys.stderr)
    return exits.OK


def logs(state: Path, name: str, namespace: str, *, follow: bool, preflight: bool) -> int:
    """Print the output of the pods; with several each line begins with its pod."""
    role = names.ROLE_PREFLIGHT if preflight else names.ROLE_SERVING
    found = [entry for entry in Client(state).logs(namespace, name) if entry["role"] == role]
    if not found:
        what = "preflight pod" if preflight else "serving pod"
        hint = "" if preflight else "; --preflight shows how its model was tried"
        raise Fault(f"{name} has no {what} with a log yet{hint}")
    # The pods that there are now; `--follow` does not see one that starts later.
    tails = {Path(entry["path"]): Tail(Path(entry["path"])) for entry in found}
    prefixes = {Path(e["path"]): f"[pod/{e['pod']}] " if len(found) > 1 else "" for e in found}
    for path, tail in tails.items():
        _print_lines(prefixes[path], tail.more())
    if follow:
        import watchfiles  # only here, and it is large

        folders = {path.parent for path in tails}
        looks: dict[str, Any] = {"step": STEP_MILLISECONDS, "rust_timeout": LOOK_MILLISECONDS, "yield_on_timeout": True}
        for _ in watchfiles.watch(*folders, **looks, raise_interrupt=False):
            for path, tail in tails.items():
                _print_lines(prefixes[path], tail.more())
    return exits.OK


def delete(state: Path, name: str, namespace: str) -> int:
    """As `kubectl delete`. A file that still names it brings it back when it is edited."""
    Client(state).delete(namespace, name)
    print(f'{TITLE} "{name}" deleted from {namespace} namespace')
    return exits.OK


def act(state: Path, action: str, name: str, namespace: str) -> int:
    """Set the annotation of an action to a new nonce, which the operator carries out once."""
    Client(state).annotate(namespace, name, {ACTIONS[action]: uuid.uuid4().hex[:12]})
    print(f"{TITLE}/{name} annotated")
    return exits.OK


class Tail:
    """Reads what has come to a file since the last time; from the start when it was cut or begun anew."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def more(self) -> Iterator[str]:
        """Whole lines without their ends."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(self._at if self._at <= size else 0)
                data = file.read()
                whole = data.rfind(b"\n") + 1
                self._at = file.tell() - len(data) + whole
        except FileNotFoundError:
            return
        yield from data[:whole].decode(errors="replace").splitlines()


def _print_lines(prefix: str, lines: Iterator[str]) -> None:
    for line in lines:
        print(f"{prefix}{line}", flush=True)


def _print_documents(models: list[dict[str, Any]], form: str, *, single: bool) -> None:
    value: Any = models[0] if single else {"apiVersion": "v1", "items": models, "kind": "List", "metadata": {}}
    if form == "json":
        print(json.dumps(value, indent=4, ensure_ascii=False))
    else:
        print(yaml.safe_dump(value, sort_keys=True, allow_unicode=True, width=10_000), end="")
