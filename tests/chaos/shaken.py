"""A model under load, its operator behind the fault proxy, and the history that the checker reads afterwards."""

import base64
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dev.cluster import api as cluster
from tests.chaos.checker import breaches
from tests.chaos.operator import HostOperator
from tests.chaos.proxy import FaultProxy
from tests.e2e.harness.models import Model
from tests.e2e.harness.prober import Prober, Record, account
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.watching import objects, watched
from tests.e2e.harness.world import World
from tests.models import doubler

RATE = 20.0
"""Requests a second."""
ROLLOUT_SECONDS = 180.0
HEALED_SECONDS = 30.0
"""Within this after a fault is gone, and after the steps that were still to take, the rollout is over."""
ROLLOUT: dict[str, Any] = {
    "strategy": "Canary",
    "steps": [{"weight": weight, "pauseSeconds": 4} for weight in (5, 25, 50)],
    "analysis": {
        "minRequests": 20,
        "lowTrafficWaitSeconds": 4,
        "metrics": [{"name": "errors", "type": "ErrorRatePermille", "max": 100}],
    },
    "bakeSeconds": 4,
}
LONG_PAUSE_SECONDS = 10
SLOW: dict[str, Any] = {
    **ROLLOUT,
    "steps": [{**step, "pauseSeconds": LONG_PAUSE_SECONDS} for step in ROLLOUT["steps"]],
}
"""The same with time for something in each step."""


@dataclass
class Shaken:
    """One story: what it may do, and what it has seen."""

    world: World
    model: Model
    operator: HostOperator
    proxy: FaultProxy
    prober: Prober
    files: tuple[Path, Path]
    spec: dict[str, Any]
    factor: float = 2.0
    watch: Stopwatch = field(default_factory=Stopwatch)
    strikes: list[tuple[float, float]] = field(default_factory=list)
    """From when to when the story took away what answers."""
    excused: set[str] = field(default_factory=set)
    """Revisions that are bad: what was lost there is no fault."""

    def renew(self) -> None:
        """Another version of the model, with which a rollout begins."""
        self.factor += 1.0
        self.model.apply_onnx(doubler(self.factor), f"model-{self.factor:g}", **self.spec)

    def return_to_first(self) -> None:
        """The version again with which the story began."""
        self.factor = 2.0
        self.model.apply(f"configmap://{self.model.name}-model/model.onnx", **self.spec)

    def rollout(self) -> dict[str, Any]:
        found: dict[str, Any] = self.model.status().get("rollout") or {}
        return found

    def reach(self, *phases: str) -> None:
        """Wait until the rollout is in one of the phases."""
        wait_for(
            lambda: self.rollout().get("phase") in phases,
            seconds=ROLLOUT_SECONDS,
            what=f"the rollout is {phases}",
            describe=self.told,
        )

    def applied(self, weight: int) -> None:
        """Wait until the candidate has this share."""
        wait_for(
            lambda: self.rollout().get("appliedWeight") == weight,
            seconds=ROLLOUT_SECONDS,
            what=f"{weight} % are in force",
            describe=self.told,
        )

    def promoted(self, seconds: float = ROLLOUT_SECONDS) -> None:
        """Wait until the newest version is the stable one and nothing is left to do."""
        self.model.wait_ready(seconds)
        size = self.spec.get("replicas", 1)
        wait_for(lambda: len(self.model.pods()) == size, seconds=60, what=f"{size} pods are left", describe=self.told)

    def told(self) -> str:
        return f"{self.rollout()}{self.model.brief()}\n{self.operator.last_words()}"

    def judge(self) -> None:
        """No request lost but by a strike, nothing broken at any moment, the newest model, no fault of the operator."""
        assert_none_lost(self.prober, self.strikes, self.excused)
        models, workloads = map(objects, self.files)
        assert breaches(models, workloads) == []
        assert self.prober.records[-1]["output"][0] == self.factor
        assert self.operator.complaints() == []


@contextmanager
def strike(strikes: list[tuple[float, float]]) -> Iterator[None]:
    """The block takes away what answers: requests under way in it may be lost, and no others."""
    begun = time.monotonic()
    yield
    strikes.append((begun, time.monotonic()))


def assert_none_lost(prober: Prober, strikes: Iterable[tuple[float, float]] = (), bad: Collection[str] = ()) -> None:
    """Every request is accounted for, and lost at most while a strike fell on it, or by a bad revision."""
    excused = {
        record["id"]
        for record in prober.lost
        if record.get("revision") in bad or any(under_way(record, *span) for span in strikes)
    }
    try:
        account(prober.sent - len(excused), [record for record in prober.records if record["id"] not in excused])
    except AssertionError as error:
        raise AssertionError(f"{error}; {prober.history}") from None


def under_way(record: Record, begun: float, ended: float) -> bool:
    return bool(record["sent"] <= ended and record["sent"] + record["seconds"] >= begun)


@contextmanager
def shaken(
    world: World,
    namespace: str,
    name: str = "shaken",
    *,
    environment: Mapping[str, str] | None = None,
    rate: float = RATE,
    lasting: bool = True,
    first: Callable[[], bytes] = doubler,
    place: str = "",
    **spec: Any,
) -> Iterator[Shaken]:
    """Two gateways, a model with one revision, and load; judged at the end, unless the model does not last that long.

    `environment`: more for the operator. `first`: the bytes of that revision, which doubles. `place`: the model's
    namespace, where it is not the operator's.
    """
    spec = {"rollout": ROLLOUT, **spec}
    files = world.folder / f"{namespace}-models.json", world.folder / f"{namespace}-deployments.json"
    with ExitStack() as parts:
        proxy = parts.enter_context(FaultProxy(*upstream()))
        release = world.own_release(namespace, place, gateways=2)
        operator = parts.enter_context(HostOperator(release, world.kubectl, proxy.url, world.folder, environment))
        operator.wait_until_acting()
        model = world.model(place or namespace, name)
        model.apply_onnx(first(), **spec)
        model.wait_ready()
        with (
            watched(model, files[0], "-o=json"),
            watched(model, files[1], "-o=json", what=("deployments", "-l", f"serinus.dev/deployment={name}")),
            model.probe(rate=rate) as prober,
        ):
            story = Shaken(world, model, operator, proxy, prober, files, spec)
            yield story
        if lasting:
            story.judge()


def upstream() -> tuple[str, ssl.SSLContext]:
    """The API server, as the cluster's own kubeconfig names and trusts it."""
    document = yaml.safe_load(cluster.kubeconfig().read_text())
    told = document["clusters"][0]["cluster"]
    return told["server"], ssl.create_default_context(cadata=authority(told))


def authority(told: dict[str, str]) -> str:
    """The certificate of the cluster's authority, from the kubeconfig or from the file that it names."""
    if path := told.get("certificate-authority"):
        return Path(path).read_text()
    return base64.b64decode(told["certificate-authority-data"]).decode()
