"""Which autoscalers are looked for, how often, and whose they are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.decide.subjects import listed, spec, subject

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeploymentStatus, ScalingStatus
from serinus_operator import scalers
from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import Denied, Missing
from serinus_operator.cluster.port import AUTOSCALER, SCALED_OBJECT, Kind, Manifest
from serinus_operator.scalers import Scalers
from serinus_operator.state import ScalerState, Subject

REVISION = "iris-1"
CPU = {"metrics": [{"type": "CPUUtilization", "target": 80}]}


class Lists:
    """As much of a cluster as is asked."""

    def __init__(self, *manifests: Manifest, keda: bool = True, granted: bool = True) -> None:
        self.manifests, self.keda, self.granted = list(manifests), keda, granted
        self.asked: list[str] = []
        self.scalers = Scalers(self, Cache())  # type: ignore[arg-type]  # it lists, and no more

    async def list(self, kind: Kind, namespace: str | None, labels: Any) -> Sequence[Manifest]:
        self.asked.append(kind.kind)
        if not self.granted:
            raise Denied("list", kind.resource)
        if kind is SCALED_OBJECT and not self.keda:
            raise Missing("the server could not find the requested resource")
        return [m for m in self.manifests if m["kind"] == kind.kind and m["metadata"]["namespace"] == namespace]


def model(engine: str | None = "Builtin", before: Any = None) -> Subject:
    given = spec(replicas=None, scaling={"engine": engine, **CPU}) if engine else spec()
    scaling = ScalingStatus(engine=before, state="Awake") if before else None
    return subject(given, ModelDeploymentStatus(revisions=(listed(REVISION),), scaling=scaling))


def autoscaler(name: str = "theirs", target: str = REVISION, owner: Any = None, **status: Any) -> Manifest:
    meta: Manifest = {"namespace": "ml", "name": name, "uid": f"u-{name}", "resourceVersion": "1"}
    if owner:
        meta["ownerReferences"] = [{"controller": True, **owner}]
        meta["labels"] = names.deployment_labels("iris")
    reference = {"kind": "Deployment", "name": target}
    return {"kind": AUTOSCALER.kind, "metadata": meta, "spec": {"scaleTargetRef": reference}, "status": status}


OURS = {"kind": names.KIND, "name": "iris", "uid": "u1"}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (model(None), []),
        (model(None, "Fixed"), []),
        (model(), ["HorizontalPodAutoscaler"]),
        (model(None, "HPA"), ["HorizontalPodAutoscaler"]),
        (model("KEDA"), ["HorizontalPodAutoscaler", "ScaledObject"]),
        (model("Builtin", "KEDA"), ["HorizontalPodAutoscaler", "ScaledObject"]),
    ],
    ids=["fixed", "always fixed", "by demand", "fixed, by an HPA before", "by KEDA", "by demand, by KEDA before"],
)
async def test_what_is_asked(given: Subject, asked: list[str]) -> None:
    lists = Lists()
    await lists.scalers.look(given)
    await lists.scalers.look(given)
    assert lists.asked == asked


async def test_namespace_is_listed_again_when_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalers, "LOOK_SECONDS", 0.0)
    lists = Lists(autoscaler())
    assert (await lists.scalers.look(model())).foreign == "HorizontalPodAutoscaler theirs"
    lists.manifests.clear()
    assert await lists.scalers.look(model()) == ScalerState()


@pytest.mark.parametrize(
    ("found", "engine", "foreign"),
    [
        (autoscaler(), "Builtin", True),
        (autoscaler(target="iris-of-another-model"), "Builtin", False),
        (autoscaler("iris", owner=OURS), "HPA", False),
        (autoscaler("keda-hpa-iris", owner={"kind": "ScaledObject", "name": "iris", "uid": "k"}), "KEDA", False),
        (autoscaler("keda-hpa-x", owner={"kind": "ScaledObject", "name": "x", "uid": "k"}), "KEDA", True),
    ],
    ids=["by hand", "of another Deployment", "ours", "made by KEDA for us", "made by KEDA for somebody else"],
)
async def test_whose_it_is(found: Manifest, engine: str, foreign: bool) -> None:
    state = await Lists(found).scalers.look(model(engine))
    assert (state.foreign is not None) is foreign


async def test_words_of_our_own_autoscaler_are_passed_on() -> None:
    condition = {"type": "ScalingActive", "status": "False", "message": "no metrics"}
    own = autoscaler("iris", owner=OURS, conditions=[condition], desiredReplicas=4)
    state = await Lists(own).scalers.look(model("HPA"))
    assert state == ScalerState(present="HPA", problem="no metrics", desired=4)
    own["status"]["conditions"][0]["status"] = "True"
    assert (await Lists(own).scalers.look(model("HPA"))).problem is None


async def test_unknown_kind_is_missing_where_it_is_asked_for() -> None:
    assert (await Lists(keda=False).scalers.look(model("KEDA"))).missing
    assert not (await Lists(keda=False).scalers.look(model("Builtin", "KEDA"))).missing
    assert not (await Lists().scalers.look(replace(model("KEDA"), namespace="other"))).missing


async def test_right_that_is_missing_is_told_and_ends_no_pass() -> None:
    denied = (await Lists(granted=False).scalers.look(model())).denied
    assert denied is not None
    assert "may not list horizontalpodautoscalers" in denied
    assert (await Lists().scalers.look(model())).denied is None
