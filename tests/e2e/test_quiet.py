"""Converged means quiet: the operator writes nothing while nothing changes."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from tests.e2e.harness.audit import AuditLog, instant, writes
from tests.e2e.harness.helm import Release
from tests.e2e.harness.kubectl import to_list
from tests.e2e.harness.models import config_map, deployment
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.processes import process_of, resident_bytes
from tests.e2e.harness.waiting import hold, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

pytestmark = pytest.mark.own_node
MODELS = 20
BATCH = 4
QUIET_SECONDS = 60
TIMES = 100
SETTLED_LOOKS = 20


@pytest.fixture
def audit(world: World) -> AuditLog:
    if world.audit is None:
        lacking("requests are counted in the API server's audit log, which this cluster does not show")
    return world.audit


def settled(audit: AuditLog, release: Release, namespace: str) -> None:
    """Until the operator's last write about the namespace, such as an Event, is some seconds old."""
    began = instant()
    written: list[int] = []

    def look() -> bool:
        written.append(len(writes(audit.requests(release.user, began, namespace=namespace))))
        return len(written) > SETTLED_LOOKS and len(set(written[-SETTLED_LOOKS:])) == 1

    wait_for(look, seconds=60, what="the operator has written all that it had to say")


@pytest.mark.long
def test_twenty_converged_models_cause_no_write_in_a_minute(world: World, audit: AuditLog, namespace: str) -> None:
    release = world.main_release()
    models = [world.model(namespace, f"model-{number:02}") for number in range(MODELS)]
    manifests = [deployment(model.name, "configmap://shared/model.onnx") for model in models]
    models[0].kubectl.apply(config_map("shared", model_onnx=doubler(2.0)))

    def ready(wanted: int = MODELS) -> bool:
        found = world.api.list("modeldeployments", namespace)
        return len(found) == wanted and all(
            any(c["type"] == "Ready" and c["status"] == "True" for c in item.get("status", {}).get("conditions", ()))
            for item in found
        )

    for first in range(0, MODELS, BATCH):  # all at once would starve the stories beside this one
        last = first + BATCH
        models[0].kubectl.apply(*manifests[first:last])
        wait_for(partial(ready, last), seconds=120, what=f"{last} models are ready")
    settled(audit, release, namespace)
    versions = {item["metadata"]["resourceVersion"] for item in world.api.list("modeldeployments", namespace)}
    began = instant()
    hold(ready, seconds=QUIET_SECONDS, what="all models stay ready")
    calls = audit.requests(release.user, began)
    here = [call for call in calls if call.namespace == namespace]
    lists = [call for call in calls if call.verb == "list"]
    leases = sum(call.lease and call.mutating for call in calls)
    (pod,) = release.pods()
    world.figures.note(
        f"{MODELS} converged models for {QUIET_SECONDS} s",
        writes=len(writes(here)),
        reads=len(here),
        lease_renewals=leases,
        operator_rss_mib=resident_bytes(process_of(pod)) / 2**20,
    )
    world.figures.note("API calls on a no-op resync", per_model=len(here) / MODELS, lists_of_all_models=len(lists))
    assert writes(here) == []
    assert leases > 0, "the audit log was not read"
    assert versions == {item["metadata"]["resourceVersion"] for item in world.api.list("modeldeployments", namespace)}


def test_the_same_manifest_applied_a_hundred_times_causes_no_write(
    world: World, audit: AuditLog, namespace: str
) -> None:
    model = world.model(namespace, "same")
    manifests = to_list(
        [config_map("same-model", model_onnx=doubler(2.0)), deployment("same", "configmap://same-model/model.onnx")]
    )
    model.kubectl("apply", "-f", "-", stdin=manifests)
    model.wait_ready()
    settled(audit, world.main_release(), namespace)
    before, began = (model.incarnations(), model.live()["metadata"]), instant()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: model.kubectl("apply", "-f", "-", stdin=manifests), range(TIMES)))
    ours = writes(audit.requests(world.main_release().user, began, namespace=namespace))
    world.figures.note(f"the same manifest applied {TIMES} times", writes=len(ours))
    assert ours == []
    assert (model.incarnations(), model.live()["metadata"]) == before
