"""Children that somebody else keeps changing back: when to stop writing them. Pure; used by `apply.py` alone.

after our write                                    then
─────────────────────────────────────────────────  ─────────────────────────────────────────────────
all that we set is there                           nothing; but five repairs in ten minutes are a contest
all is there, with additions (admission)           left so, as long as the object stays like that
something that we set has another value            a contest: the next write is ten minutes away, then 20, …
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

REPAIRS: Final = 5
REMEMBERED: Final = 4096
"""Children whose repairs are remembered."""
CALM_SECONDS: Final = 600.0
LONGEST_SECONDS: Final = 86_400.0

UNSAID: Final = frozenset({"apiVersion", "kind", "metadata", "status", "spec"})

Manifest = Mapping[str, Any]


@dataclass(slots=True)
class Contest:
    """What is remembered of the repairs of one child. Times are monotonic."""

    repairs: int = 0
    """Of late: a calm of ten minutes forgets them."""
    lost: int = 0
    """How often in a row the writing was given up."""
    last: float = float("-inf")
    until: float = float("-inf")
    wanted: Manifest | None = None
    """What was written; another intention is no repair."""
    accepted: Manifest | None = None
    """The object as it came out of our write, with other people's additions."""

    def holds(self, wanted: Manifest, live: Manifest, now: float) -> bool:
        """Whether nothing is to be written now."""
        if self.wanted != essence(wanted):
            return False
        return now < self.until or (self.accepted is not None and self.accepted == essence(live))

    def written(self, wanted: Manifest, after: Manifest, now: float, *, lacks: bool, differs: bool) -> None:
        """Note a write: `lacks` when something of ours has another value after it, `differs` when more is there."""
        recent = now - self.last < CALM_SECONDS
        if self.wanted != essence(wanted):
            recent, self.wanted, self.lost, self.until = False, essence(wanted), 0, float("-inf")
        self.repairs = self.repairs + 1 if recent else 1
        self.last = now
        self.accepted = essence(after) if differs and not lacks else None
        if lacks or self.repairs >= REPAIRS:
            self.until = now + min(CALM_SECONDS * 2 ** min(self.lost, 8), LONGEST_SECONDS)
            self.lost += 1
        elif not differs and not recent:
            self.lost = 0


def essence(manifest: Manifest) -> Manifest:
    """What an object says, without its versions, its status and its size. Not every kind says it in a `spec`."""
    said = {key: value for key, value in manifest.items() if key not in UNSAID}
    spec = {key: value for key, value in manifest.get("spec", {}).items() if key != "replicas"}
    return {**said, "labels": manifest["metadata"].get("labels"), "spec": spec}
