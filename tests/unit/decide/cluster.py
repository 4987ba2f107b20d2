"""A cluster in memory for the rollout machine: what an intent becomes, write by write and tick by tick."""

from serinus_operator.decide.course import Intent


class Cluster:
    """What the operator writes to, and what becomes of it."""

    def __init__(self, *, spare: bool) -> None:
        self.spare = spare
        """There is no capacity for two revisions: the old pods go first."""
        self.sizes: dict[str, int] = {}
        self.holds: dict[str, int] = {}
        self.broken: set[str] = set()
        self.full: set[str] = set()
        """There is no room for another pod of these."""
        self.asked = 0
        """The weight that was written."""
        self.weight = 0
        """The weight that is in force."""
        self.late = self.due = 0
        """Ticks until what splits hears of a weight that is written; of the one that was."""
        self.entry: str | None = None
        self.splitter = True
        self.still = 0
        """Ticks without an arrival at the candidate."""

    def writes(self, intent: Intent) -> list[tuple[str, str | None, int]]:
        """What is to be written, in order: who receives first, who gives last."""
        grown = [("size", name, size) for name, size in intent.sizes.items() if size > self.sizes.get(name, 0)]
        shrunk = [
            ("size", name, intent.sizes.get(name, 0))
            for name in self.sizes
            if self.sizes[name] > intent.sizes.get(name, 0)
        ]
        entry = [("entry", intent.entry, 0)] if intent.entry != self.entry else []
        weight = [("weight", None, intent.weight)] if intent.weight != self.asked else []
        return [*grown, *entry, *weight, *shrunk]

    def lacks(self, name: str) -> bool:
        """Whether there is no room for what is asked."""
        return name in self.full and self.holds[name] < self.sizes.get(name, 0)

    def write(self, kind: str, name: str | None, number: int) -> None:
        """One write."""
        if kind == "size":
            assert self.spare or number or name != self.entry, "pods taken away from under the entry"
            answering = min(self.weight, self.holds.get(name or "", 0))
            assert name == self.entry or number >= answering, "pods taken away from under their requests"
            self.sizes[name or ""] = number
            self.holds[name or ""] = min(self.holds.get(name or "", 0), number)
        elif kind == "entry":
            self.entry = name
        else:
            self.asked, self.due = number, self.late
            self.heard()

    def heard(self) -> None:
        """What splits, where there is anything, takes what was written, when it is due."""
        if self.splitter and self.due <= 0 and self.weight != self.asked:
            self.weight, self.still = self.asked, 0

    def tick(self) -> None:
        """Pods that are asked for start; requests go where the weight says."""
        self.due -= 1
        self.heard()
        for name, size in self.sizes.items():
            others = [other for other in self.holds if other != name and self.holds[other]]
            crowded = self.spare and not self.holds.get(name) and any(others)
            there = self.holds.get(name, 0)
            self.holds[name] = 0 if name in self.broken or crowded else min(size, there) if name in self.full else size
        self.sizes = {name: size for name, size in self.sizes.items() if size}
        self.still = self.still + 1 if not self.weight else 0
