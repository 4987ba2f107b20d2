"""Models that may sleep, with a release of their own that has gateways; what their states look like from outside."""

import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.harness.api import Manifest
from tests.e2e.harness.helm import Release
from tests.e2e.harness.models import Model
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

SLEEP_SECONDS = 60.0
SLEEPY: dict[str, Any] = {
    "minReplicas": 0,
    "maxReplicas": 2,
    "stableWindowSeconds": 6,
    "scaleToZero": {"gracePeriodSeconds": 2},
    "activation": {"maxPendingRequests": 5000},
}
"""With room for all that comes while a busy node wakes it: another story is about that limit."""
DOUBLED = {"y": [[2.0, 4.0, 6.0, 8.0]]}


def scaling(model: Model) -> Manifest:
    """`status.scaling`."""
    found: Manifest = model.status().get("scaling", {})
    return found


def reach(model: Model, *states: str, seconds: float = SLEEP_SECONDS) -> str:
    """Wait for one of the states; asleep means that no pod is left, awake that the pods take the traffic."""

    def there() -> str:
        told = scaling(model)
        state: str = told.get("state", "")
        arrived = not model.pods() if state == "Asleep" else told.get("traffic") == "Direct"
        return state if state in states and arrived else ""

    return wait_for(there, seconds=seconds, what=f"{model.name} is {states}", describe=lambda: f"{scaling(model)}")


def sleepy(world: World, namespace: str, *names: str, gateways: int = 2, **spec: Any) -> tuple[Release, list[Model]]:
    """A release with gateways, and ready models that may sleep."""
    release = world.own_release(namespace, gateways=gateways)
    models = [world.model(namespace, name) for name in names]
    for model in models:
        model.apply_onnx(doubler(2.0), **{"scaling": SLEEPY, **spec})
    for model in models:
        model.wait_ready()
    return release, models


def side_by_side(models: list[Model], story: Callable[[Model], int]) -> int:
    """One story with each model at the same time; the sum of what they return."""
    with ThreadPoolExecutor(len(models)) as pool:
        return sum(pool.map(story, models))


def ask(url: str, host: str = "", seconds: float = 30) -> tuple[int, str]:
    """Status and body of an answer, asked for with a Host header of one's own."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return int(response.status), response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
