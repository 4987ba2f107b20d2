"""How many pods each revision needs while two share the requests, as values. Pure; `sides.py` finds them out.

    whole    pods with which a revision could take every request; of a fixed size it is `spec.replicas` for all
    own      pods that its own load asks for, as outside a rollout
    size     the larger of its share of the whole and its own, at most maxReplicas

Requests with the asked headers go to the candidate whatever the weight, so a weight divides only the others:

    whole 10, weight 25 %, 40 % with the headers → candidate 55 % of its whole: 6, stable 45 % of its own: 5
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import SideStatus
from serinus_operator.loads import ScalingMemory


@dataclass(frozen=True, slots=True)
class Need:
    """What one revision needs."""

    whole: int
    own: int = 0
    fixed: bool = False
    """Somebody else writes its size: it stays as it is, which `own` says."""
    memory: ScalingMemory | None = None
    """What is remembered of it; None where no load is looked at."""
    reason: str = ""
    """Why `own` is what it is; so are the words."""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What all revisions of a rollout need."""

    whole: int
    """Of a revision that is not listed."""
    of: Mapping[str, Need] = field(default_factory=dict)
    most: int | None = None
    """`maxReplicas`; None with a fixed size."""
    matched: int = 0
    """Percent of the requests that go to the candidate because of their headers."""

    def need(self, name: str) -> Need:
        """One revision's need."""
        return self.of.get(name, Need(self.whole))

    def share(self, name: str, percent: int, *, tried: bool) -> int:
        """Pods for so many percent of what is divided by weight. `tried`: it is the candidate."""
        parts = 100 * percent + (100 - percent) * self.matched if tried else percent * (100 - self.matched)
        if percent >= 100:
            parts = 10_000
        return -(-parts * self.need(name).whole // 10_000)

    def size(self, name: str, percent: int, *, tried: bool) -> int:
        """Pods that it shall have."""
        need = self.need(name)
        if need.fixed:
            return need.own
        wanted = max(self.share(name, percent, tried=tried), need.own)
        return wanted if self.most is None else min(wanted, self.most)

    def side(self, name: str, percent: int, before: SideStatus | None, *, tried: bool) -> SideStatus:
        """What the status says of it; reason and message change with the number alone."""
        need, size = self.need(name), self.size(name, percent, tried=tried)
        if before and before.desired_replicas == size:
            return before
        reason, words = "Share", f"{percent} % of the {need.whole} with which it could take every request"
        if need.fixed:
            reason, words = Reason.REPLICA_OWNERSHIP_CONFLICT, "another writer set it"
        elif need.own > self.share(name, percent, tried=tried):
            reason, words = need.reason, need.words
        told = f"{before.desired_replicas} → {size}: {words}" if before else words
        return SideStatus(name=name, desired_replicas=size, reason=reason, message=told[:1024])

    def holds(self, name: str, ready: int, *, tried: bool) -> int:
        """The reverse: percent that so many ready pods can take, at most 100.

        Of a revision that gives, percent of the whole: on the way back everything comes to it.
        """
        whole, matched = self.need(name).whole, self.matched if tried else 0
        if not whole or ready >= whole:
            return 100
        return max(0, 100 * (100 * ready - matched * whole) // ((100 - matched) * whole))
