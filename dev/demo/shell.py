"""Runs kubectl and helm as a user would: from the project's folder, with the cluster's own programs on the path.

Called by every chapter. `show` tells the command and what it prints; `ask` is for checks and says nothing. Both raise
DemoError with the program's own words.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

from dev.cluster import api
from dev.cluster.paths import PROJECT
from dev.demo.narration import DemoError, Narrator

COMMAND_SECONDS = 180.0
POLL_SECONDS = 0.25


class Shell:
    """The user's shell."""

    def __init__(self, narrator: Narrator, environment: Mapping[str, str] | None = None) -> None:
        self.narrator = narrator
        self.environment = {**os.environ, **(environment if environment is not None else api.environment())}

    def show(self, *arguments: str) -> str:
        """Tell the command, run it, tell what it prints, and return that."""
        self.narrator.command(arguments)
        text = self.ask(*arguments)
        self.narrator.output(text.splitlines())
        return text

    def ask(self, *arguments: str) -> str:
        """Run a command and return what it prints."""
        done = self.attempt(*arguments)
        if done.returncode != 0:
            raise DemoError(f"`{' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        try:
            return subprocess.run(
                arguments, cwd=PROJECT, env=self.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"`{' '.join(arguments)}` took longer than {COMMAND_SECONDS:.0f} s") from error

    def read(self, *arguments: str) -> Any:
        """The JSON that `kubectl get` answers."""
        return json.loads(self.ask("kubectl", "get", "-o", "json", *arguments))

    def exists(self, *arguments: str) -> bool:
        """Whether `kubectl get` finds the object."""
        return bool(self.ask("kubectl", "get", "--ignore-not-found", "-o", "name", *arguments).strip())


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until it holds; False when it still does not after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
