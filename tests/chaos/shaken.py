"""A model under load, its operator behind the fault proxy, and the history that the checker reads afterwards."""

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dev.cluster import api as cluster
from tests.chaos.checker import breaches
from tests.chaos.operator import HostOperator
from tests.chaos.proxy import FaultProxy
from tests.e2e.harness.models import Model
from tests.e2e.harness.prober import Prober
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


@dataclass
class Shaken:
    """One story: what it may do, and what it has seen."""

    world: World
    model: Model
    operator: HostOperator
    proxy: FaultProxy
    prober: Prober
    files: tuple[Path, Path]
    factor: float = 2.0
    watch: Stopwatch = field(default_factory=Stopwatch)

    def renew(self) -> None:
        """Another version of the model, with which a rollout begins."""
        self.factor += 1.0
        self.model.apply_onnx(doubler(self.factor), f"model-{self.factor:g}", rollout=ROLLOUT)

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

    def promoted(self, seconds: float = ROLLOUT_SECONDS) -> None:
        """Wait until the newest version is the stable one and nothing is left to do."""
        self.model.wait_ready(seconds)
        wait_for(lambda: len(self.model.pods()) == 1, seconds=60, what="one pod is left", describe=self.told)

    def told(self) -> str:
        return f"{self.rollout()}{self.model.brief()}\n{self.operator.last_words()}"

    def judge(self) -> None:
        """No request lost, nothing broken at any moment, the newest model's answers, no fault of the operator's own."""
        self.prober.assert_none_lost()
        models, workloads = map(objects, self.files)
        assert breaches(models, workloads) == []
        assert self.prober.records[-1]["output"][0] == self.factor
        assert self.operator.complaints() == []


@contextmanager
def shaken(world: World, namespace: str, name: str = "shaken") -> Iterator[Shaken]:
    """Two gateways, a model with one revision, and load; judged at the end."""
    release = world.own_release(namespace, gateways=2)
    files = world.folder / f"{namespace}-models.json", world.folder / f"{namespace}-deployments.json"
    with (
        FaultProxy(*upstream()) as proxy,
        HostOperator(release, world.kubectl, proxy.url, world.folder) as operator,
    ):
        operator.wait_until_acting()
        model = world.model(namespace, name)
        model.apply_onnx(doubler(2.0), rollout=ROLLOUT)
        model.wait_ready()
        with (
            watched(model, files[0], "-o=json"),
            watched(model, files[1], "-o=json", what=("deployments", "-l", f"serinus.dev/deployment={name}")),
            model.probe(rate=RATE) as prober,
        ):
            story = Shaken(world, model, operator, proxy, prober, files)
            yield story
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
