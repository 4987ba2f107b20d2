"""What pods do that are told to copy requests to a candidate (`PUT /shadow`), and what their metrics say of it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from serinus_api.runtime import METRIC_SHADOW_COMPARED, METRIC_SHADOW_DIFFERENCE, ShadowOrder
from serinus_operator.decide.copies import Loan

DIFFERENCE = 0.5


class Copying:
    """The copies of all pods of a namespace. `ready`: the pods of a revision that answer."""

    def __init__(self, now: Callable[[], float], ready: Callable[[str], Sequence[str]]) -> None:
        self._now = now
        self._ready = ready
        self._random = random.Random(11)
        self.disagrees: dict[str, float] = {}
        """By revision, the share of copies that it answers otherwise than the stable one."""
        self.orders: dict[str, tuple[ShadowOrder, float]] = {}
        """By pod, what it was told last, and until when."""
        self.compared: dict[str, Counter[tuple[str, bool]]] = {}
        """By pod, copies by candidate and by whether it agreed."""
        self.received: Counter[str] = Counter()
        """By pod."""

    def lend(self, loan: Loan) -> None:
        """A pod is told."""
        self.orders[loan.pod["metadata"]["name"]] = loan.order, self._now() + loan.order.seconds

    def percent(self, pod: str) -> int:
        """What it copies at this moment."""
        order, until = self.orders.get(pod, (None, 0.0))
        return order.percent if order and self._now() < until else 0

    def answered(self, pod: str) -> None:
        """It has answered a request: where that is chosen, its copy is answered at once."""
        if self._random.random() * 100 >= self.percent(pod):
            return
        candidate = self.orders[pod][0].revision
        if ready := self._ready(candidate):
            self.received[self._random.choice(ready)] += 1
            agreed = self._random.random() >= self.disagrees.get(candidate, 0.0)
            self.compared.setdefault(pod, Counter())[candidate, agreed] += 1

    def lines(self, pod: str) -> Iterator[str]:
        """Of its metrics page."""
        for (candidate, agreed), count in self.compared.get(pod, {}).items():
            labels = f'candidate="{candidate}",agree="{str(agreed).lower()}"'
            yield f"{METRIC_SHADOW_COMPARED}{{{labels}}} {count}"
            yield f'{METRIC_SHADOW_DIFFERENCE}{{candidate="{candidate}"}} {DIFFERENCE}'
