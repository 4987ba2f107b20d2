"""Two real runtimes and the operator's own client: told what to copy, read, judged, and told to stop."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.component.runtime.harness import REVISION, RuntimeProcess, place, wait_until

from serinus_api import names
from serinus_api.v1alpha1 import RolloutPhase, RolloutSpec
from serinus_operator.cache import Cache
from serinus_operator.collect import Collector
from serinus_operator.decide.analysis import Judgement, Outcome
from serinus_operator.decide.course import Course
from serinus_operator.decide.plan import plan_of
from serinus_operator.decide.readings import readings_of
from serinus_operator.decide.watch import Watch, begun, watched
from serinus_operator.decide.windows import Reading
from serinus_operator.metrics import PodMetrics
from serinus_operator.queue import Key

CANDIDATE = "m-9f8e7d6c"
KEY = Key("ml", "m")
REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
ROLLOUT = {
    "steps": [{"weight": 0}, {"weight": 50}],
    "shadow": {"percent": 100},
    "analysis": {
        "minRequests": 20,
        "metrics": [{"name": "agreement", "type": "ShadowAgreementPercent", "min": 99}],
    },
}
PLAN = plan_of(RolloutSpec.model_validate(ROLLOUT))
COURSE = Course(REVISION, RolloutPhase.STEPPING, CANDIDATE, attempt=1)


class Operator:
    """Its eyes and its voice; what it would see of a cluster is made up."""

    def __init__(self, processes: dict[str, RuntimeProcess]) -> None:
        def private(pod: dict[str, Any]) -> tuple[str, int]:
            return "127.0.0.1", processes[pod["metadata"]["name"]].metrics_port

        def public(pod: dict[str, Any]) -> tuple[str, int]:
            return "127.0.0.1", processes[pod["metadata"]["name"]].http_port

        self.cache = Cache()
        self.version = 0
        self.pods = PodMetrics(private, public)
        self.collector = Collector(self.cache, self.pods.load, self.pods.page, self.pods.lend, lambda key: None)
        for name in processes:
            self.cache.put(pod_manifest(name))

    def enter(self, phase: RolloutPhase) -> None:
        """What the status says."""
        self.version += 1
        meta = {"namespace": "ml", "name": "m", "uid": "u-m", "resourceVersion": str(self.version)}
        status = {"stableRevision": REVISION, "candidateRevision": CANDIDATE, "rollout": {"phase": phase}}
        self.cache.put({"kind": names.KIND, "metadata": meta, "spec": {"rollout": ROLLOUT}, "status": status})

    async def readings(self) -> list[Reading]:
        """One look at the pods."""
        await self.collector.look()
        sample = self.collector.last(KEY)
        assert sample
        return [one for pod in sample.pods for one in readings_of(pod.uid, pod.revision, pod.page or "")]


def pod_manifest(revision: str) -> dict[str, Any]:
    labels = {
        **names.deployment_labels("m"),
        names.LABEL_ROLE: names.ROLE_SERVING,
        names.LABEL_REVISION: revision,
    }
    meta = {"namespace": "ml", "name": revision, "uid": f"u-{revision}", "resourceVersion": "1", "labels": labels}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"kind": "Pod", "metadata": meta, "spec": {}, "status": status}


@pytest.fixture(params=[2.0, 2.5], ids=["agrees", "disagrees"])
async def served(
    tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Operator, RuntimeProcess, bool]]:
    """A stable pod that doubles, a candidate that does or does not; whether it does."""
    with ExitStack() as stack:
        processes = {}
        for revision, factor in ((REVISION, 2.0), (CANDIDATE, request.param)):
            folder, local = tmp_path / revision, {"shadow_network": "127.0.0.0/8"}
            config = place(folder, models.doubler(factor), model_version=revision, **local)
            processes[revision] = stack.enter_context(RuntimeProcess(config)).wait_until_ready()
        operator = Operator(processes)
        yield operator, processes[REVISION], request.param == 2.0
        await operator.pods.close()


async def judged(operator: Operator, stable: RuntimeProcess) -> tuple[Watch, tuple[Judgement, ...]]:
    """After thirty requests at the stable pod, all of which were compared."""
    operator.enter(RolloutPhase.STEPPING)
    await operator.readings()  # the order is given, so that the next page speaks of the candidate
    watch = watched(begun(0.0, {}), COURSE, PLAN, await operator.readings(), 0.0)
    for _ in range(30):
        assert stable.infer(REQUEST).json()["outputs"][0]["data"] == [2.0, 4.0, 6.0, 8.0]
    page = b""

    def all_compared() -> bool:
        nonlocal page
        page = stable.ask_private("/metrics").body
        return sum(float(line.split()[-1]) for line in page.splitlines() if b"shadow_compared_total{" in line) == 30

    wait_until(all_compared)
    watch = watched(watch, COURSE, PLAN, await operator.readings(), 10.0)
    return watch, watch.verdicts


async def test_candidate_is_judged_by_what_the_stable_pod_found(
    served: tuple[Operator, RuntimeProcess, bool],
) -> None:
    operator, stable, agrees = served
    watch, (verdict,) = await judged(operator, stable)
    assert (verdict.outcome, verdict.samples) == (Outcome.PASS if agrees else Outcome.FAIL, 30)
    assert verdict.message.endswith("largest difference 0" if agrees else "largest difference 2")
    assert watch.ledger.window == {}, "the next window begins with nothing"
    assert watch.ledger.step[CANDIDATE].answers == 0, "copies are no requests"


async def test_stable_pod_is_told_to_stop_when_the_step_is_over(
    served: tuple[Operator, RuntimeProcess, bool],
) -> None:
    operator, stable, _ = served
    operator.enter(RolloutPhase.STEPPING)
    await operator.readings()
    stable.wait_for_line("Copying requests")
    operator.enter(RolloutPhase.PROMOTING)
    await operator.readings()
    stable.wait_for_line("Copying ended")
