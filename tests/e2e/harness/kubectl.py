"""kubectl as a user has it: a subprocess. Steps of a story go through it; what is polled goes through `api.py`."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]


class CommandError(AssertionError):
    """A command did not end with 0; the message has its words."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"{' '.join(map(str, done.args))}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
        self.stderr = done.stderr


def run(
    *command: str | Path, stdin: str | None = None, check: bool = True, seconds: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep its words."""
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, **environment},
    )
    if check and done.returncode:
        raise CommandError(done)
    return done


def to_list(manifests: Iterable[Mapping[str, Any]]) -> str:
    """Manifests as one JSON document that kubectl reads from its standard input."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


@dataclass(frozen=True)
class Kubectl:
    """kubectl against one cluster, in one namespace if any is given."""

    program: Path
    kubeconfig: Path
    namespace: str | None = None

    def to(self, namespace: str) -> "Kubectl":
        return Kubectl(self.program, self.kubeconfig, namespace)

    def try_(self, *words: str, stdin: str | None = None, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run it, whatever it says."""
        scope = ("-n", self.namespace) if self.namespace else ()
        return run(
            self.program, f"--kubeconfig={self.kubeconfig}", *scope, *words, stdin=stdin, check=False, seconds=seconds
        )

    def __call__(self, *words: str, stdin: str | None = None, seconds: float = 120) -> str:
        """Run it and return what it prints. CommandError when it does not end with 0."""
        done = self.try_(*words, stdin=stdin, seconds=seconds)
        if done.returncode:
            raise CommandError(done)
        return done.stdout

    def apply(self, *manifests: Mapping[str, Any]) -> str:
        """`kubectl apply --server-side`, as the documentation advises."""
        return self(
            "apply", "--server-side", "--field-manager=e2e", "--force-conflicts", "-f", "-", stdin=to_list(manifests)
        )

    def delete(self, kind: str, name: str, *more: str) -> str:
        return self("delete", kind, name, "--wait=false", *more)

    def json(self, *words: str) -> Manifest:
        parsed: Manifest = json.loads(self("get", *words, "-o", "json"))
        return parsed

    def columns(self, kind: str, name: str, *more: str) -> dict[str, str]:
        """One row of `kubectl get`, by the headings of its table."""
        heading, row = self("get", kind, name, *more).splitlines()[:2]
        titles = heading.split()
        starts = [heading.index(title) for title in titles]
        ends = [*starts[1:], None]
        return {t: row[a:b].strip() for t, a, b in zip(titles, starts, ends, strict=True)}
