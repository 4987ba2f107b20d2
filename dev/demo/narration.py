"""What the demo says: numbered chapters, the commands as a user would type them, what they print, what was checked.

Plain lines, so that the whole output can be pasted. A check that fails raises DemoError, and so ends the story.
"""

import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from dev.cluster.console import say

INDENT = "   "
WIDTH = 116


class DemoError(Exception):
    """Something is not as the demo tells it; the message says what was expected and what was found."""


class Narrator:
    """Prints the story and keeps the time."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.chapters = 0
        self.checks = 0

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """One step: its number, its title, and at the end how long it took."""
        self.chapters += 1
        began = time.monotonic()
        say(f"\n{self.chapters}. {title}")
        yield
        say(f"{INDENT}({time.monotonic() - began:.1f} s)")

    def tell(self, text: str) -> None:
        """A remark."""
        say(f"{INDENT}{text}")

    def command(self, arguments: Sequence[str]) -> None:
        """The command that is about to run, broken into lines before an option where it is long."""
        for number, line in enumerate(wrapped(arguments)):
            say(f"{INDENT}{'$ ' if number == 0 else '    '}{line}")

    def output(self, lines: Iterable[str]) -> None:
        """What a command printed."""
        for line in lines:
            say(f"{INDENT}{line}".rstrip())

    def check(self, holds: bool, words: str, found: object = "") -> None:
        """State that `words` hold, or end the demo with what was found instead."""
        if not holds:
            raise DemoError(f"not so: {words}{f'; found: {found}' if found != '' else ''}")
        self.checks += 1
        say(f"{INDENT}✓ {words}")

    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self.started


def wrapped(arguments: Sequence[str]) -> list[str]:
    """The command as shell lines of at most `WIDTH` characters, each but the last ending in a backslash.

    `helm install a b --set c=d` on a narrow screen: `helm install a b \\`, `--set c=d`.
    """
    lines: list[str] = []
    for argument in arguments:
        word = shlex.quote(argument)
        if lines and (len(lines[-1]) + len(word) < WIDTH or not argument.startswith("-")):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]
