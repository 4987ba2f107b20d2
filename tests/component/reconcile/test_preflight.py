"""What a preflight can say, and what follows: refused for good, or tried again by itself."""

import pytest
from tests.fakes.kubelet import (
    Status,
    digest_of,
    ended,
    evicted,
    out_of_memory,
    refused,
    running,
    unschedulable,
    waiting,
)
from tests.fakes.world import NAMESPACE, World, config_map, model

from serinus_api import names
from serinus_api.conditions import RESOLUTION_REASONS, Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_operator.cluster.port import CONTROLLER_REVISION, POD

FINAL = [
    Reason.DIGEST_MISMATCH,
    Reason.TOO_LARGE,
    Reason.UNSUPPORTED_SCHEME,
    Reason.LOAD_FAILED,
    Reason.OUT_OF_MEMORY,
    Reason.UNSAFE_MODEL,
    Reason.GOLDEN_MISMATCH,
    Reason.TOO_SLOW,
    Reason.SIGNATURE_CHANGED,
]


def report(reason: Reason, message: str) -> Status:
    return ended(PreflightReport(phase=Phase.DOWNLOADING, reason=reason, message=message))


WAITING: list[tuple[str, Status, Reason, str]] = [
    ("file not there", report(Reason.NOT_FOUND, "no such file"), Reason.NOT_FOUND, "no such file"),
    ("no access", report(Reason.ACCESS_DENIED, "HTTP 403"), Reason.ACCESS_DENIED, "HTTP 403"),
    ("stalled", report(Reason.DOWNLOAD_STALLED, "30 s without a byte"), Reason.DOWNLOAD_STALLED, "30 s"),
    ("network", report(Reason.DOWNLOAD_FAILED, "connection refused"), Reason.DOWNLOAD_FAILED, "connection refused"),
    ("evicted", evicted(), Reason.POD_LOST, "Evicted: The node was low on resource: memory."),
    ("unschedulable", unschedulable(), Reason.UNSCHEDULABLE, "0/1 nodes are available: 1 Insufficient memory."),
    (
        "image missing",
        waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
        Reason.IMAGE_PULL_FAILED,
        'ImagePullBackOff: Back-off pulling image "x"',
    ),
    (
        "config error",
        waiting("CreateContainerConfigError", 'secret "s3" not found'),
        Reason.CONTAINER_CONFIG_ERROR,
        'CreateContainerConfigError: secret "s3" not found',
    ),
]


@pytest.mark.parametrize("reason", FINAL)
async def test_final_verdict_refuses_the_model(world: World, reason: Reason) -> None:
    world.kubelet.models[b"model one"] = refused(reason, "in its own words")
    world.apply(model())
    await world.until(lambda: world.says("Stalled", "True", reason))
    kind = "ModelResolved" if reason in RESOLUTION_REASONS else "ModelValidated"
    assert world.says(kind, "False", reason)
    assert world.condition(kind)["message"] == "in its own words"
    assert world.says("Ready", "False", reason)
    await world.advance(600)
    attempts = 2 if reason is Reason.TOO_SLOW else 1
    assert len(world.preflights()) == attempts
    assert world.deployments() == []
    assert world.children() == []
    rejected = world.status()["rejected"]
    assert [(r["reason"], r["message"], r["digest"], r["attempt"]) for r in rejected] == [
        (reason, "in its own words", digest_of(b"model one"), attempts)
    ]


async def test_out_of_memory_names_limit_and_peak(world: World) -> None:
    world.kubelet.preflight = out_of_memory()
    world.apply(model())
    await world.until(lambda: world.says("Stalled", "True", "OutOfMemory"))
    message = world.condition("ModelValidated")["message"]
    assert "memory limit of 512 MiB" in message
    assert "killed while Loading" in message
    assert "peak measured before that: 500 MiB" in message
    assert "spec.runtime.resources.limits.memory" in message


@pytest.mark.parametrize(("status", "reason", "words"), [w[1:] for w in WAITING], ids=[w[0] for w in WAITING])
async def test_waiting_cause_is_shown_and_heals_by_itself(
    world: World, status: Status, reason: Reason, words: str
) -> None:
    world.kubelet.preflight = status
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", reason))
    assert words in world.condition("Ready")["message"]
    assert world.says("Reconciling", "True", reason)
    await world.advance(120)
    assert world.says("Ready", "False", reason)
    assert not world.condition("Stalled")
    assert not world.status()["rejected"]
    world.kubelet.preflight = None
    world.kubelet.sync()
    await world.ready(within=30)


async def test_ended_preflight_is_tried_again_every_few_seconds_and_later_less_often(world: World) -> None:
    world.kubelet.preflight = evicted()
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", "PodLost"))
    before = len(world.preflights())
    await world.advance(150)
    assert 26 <= len(world.preflights()) - before <= 30
    await world.advance(300)
    before = len(world.preflights())
    await world.advance(150)
    assert 13 <= len(world.preflights()) - before <= 15
    assert len(set(world.preflights())) == len(world.preflights())
    assert len(world.cluster.of(POD)) <= 1


async def test_waiting_becomes_stalled_at_the_deadline_and_is_never_refused(world: World) -> None:
    world.kubelet.preflight = unschedulable()
    world.apply(model(runtime={"startupDeadlineSeconds": 120}))
    await world.until(lambda: world.says("Ready", "False", "Unschedulable"))
    await world.advance(100)
    assert not world.condition("Stalled")
    await world.until(lambda: world.says("Stalled", "True", "Unschedulable"), within=40)
    assert not world.condition("Reconciling")
    await world.advance(3600)
    assert world.says("Stalled", "True", "Unschedulable")
    assert not world.status()["rejected"]
    world.kubelet.preflight = None
    world.kubelet.sync()
    await world.ready(within=30)


async def test_stalled_waiting_is_quiet(world: World) -> None:
    world.kubelet.preflight = unschedulable()
    world.apply(model(runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: world.says("Stalled", "True", "Unschedulable"), within=120)
    await world.advance(30)
    quiet = len(world.cluster.calls)
    await world.advance(3600)
    assert world.cluster.calls[quiet:] == []


async def test_restart_of_the_operator_does_not_start_the_clock_anew(world: World) -> None:
    """Each restart may lose the 30 seconds that are not persisted yet, and no more."""
    world.kubelet.preflight = unschedulable()
    world.apply(model(runtime={"startupDeadlineSeconds": 300}))
    for _ in range(3):
        await world.advance(95)
        assert not world.condition("Stalled")
        await world.restart()
    await world.until(lambda: world.says("Stalled", "True", "Unschedulable"), within=3 * 30 + 30)


async def test_preflight_without_a_verdict_ends_at_the_deadline_and_is_tried_again(world: World) -> None:
    world.kubelet.preflight = running(ready=False)
    world.apply(model(runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: len(world.preflights()) == 1)
    assert world.cluster.of(POD)[0]["spec"]["activeDeadlineSeconds"] == 3660, "for a pod that nobody looks after"
    await world.until(lambda: world.says("Stalled", "True", "StartupDeadlineExceeded"), within=90)
    await world.until(lambda: len(world.preflights()) == 2)
    assert len(world.cluster.of(POD)) == 1
    world.kubelet.preflight = None
    world.kubelet.sync()
    await world.ready(within=30)


PULLING = waiting("ContainerCreating", "")


async def test_slow_pull_of_the_image_is_told_and_never_ends_an_attempt(world: World) -> None:
    world.kubelet.preflight = PULLING
    world.apply(model(runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: world.says("Ready", "False", "Starting"))
    assert "has not started" in world.condition("Ready")["message"]
    assert world.condition("Reconciling")
    await world.until(lambda: world.says("Stalled", "True", "Starting"), within=90)
    await world.advance(1800)
    assert len(world.preflights()) == 1
    world.kubelet.preflight = running(ready=False)
    world.kubelet.sync()
    await world.advance(50)
    assert not world.condition("Stalled"), "its full time begins when its program does"
    world.kubelet.preflight = None
    world.kubelet.sync()
    await world.ready(within=30)
    assert len(world.preflights()) == 1


async def test_preflight_pod_that_somebody_deletes_is_made_again(world: World) -> None:
    world.kubelet.preflight = running(ready=False)
    world.apply(model())
    await world.until(lambda: len(world.preflights()) == 1)
    world.kubelet.preflight = None
    world.cluster.remove(POD, NAMESPACE, world.preflights()[0])
    await world.ready(within=30)


async def test_preflight_pods_are_cleaned_up_and_their_last_words_kept(world: World) -> None:
    world.kubelet.models[b"model one"] = refused(Reason.LOAD_FAILED, "Protobuf parsing failed")
    world.apply(model())
    await world.until(lambda: world.says("Stalled", "True", "LoadFailed"))
    await world.until(lambda: world.cluster.of(POD) == [])
    assert world.condition("ModelValidated")["message"] == "Protobuf parsing failed"


@pytest.mark.parametrize("bad", [False, True], ids=["good model", "bad model"])
async def test_preflight_beside_a_sidecar_ends_with_our_container_and_its_pod_goes(world: World, bad: bool) -> None:
    """A service mesh adds a container that never ends, so the pod's phase stays Running."""
    world.kubelet.sidecar = True
    if bad:
        world.kubelet.models[b"model one"] = refused(Reason.LOAD_FAILED, "bad")
    world.apply(model())
    if bad:
        await world.until(lambda: world.says("Stalled", "True", "LoadFailed"))
    else:
        await world.ready()
    assert len(world.preflights()) == 1
    await world.until(lambda: not world.cluster.of(POD, **{names.LABEL_ROLE: names.ROLE_PREFLIGHT}))


async def test_preflight_runs_under_the_limits_and_in_the_place_of_the_serving_pods(world: World) -> None:
    world.kubelet.preflight = running(ready=False)
    runtime = {
        "resources": {"limits": {"memory": "512Mi"}},
        "nodeSelector": {"disk": "fast"},
        "serviceAccountName": "models",
        "imagePullSecrets": [{"name": "pull"}],
    }
    world.apply(model(runtime=runtime))
    await world.until(lambda: len(world.preflights()) == 1)
    spec = world.cluster.of(POD)[0]["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "512Mi"}
    assert spec["nodeSelector"] == {"disk": "fast"}
    assert spec["serviceAccountName"] == "models"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert spec["restartPolicy"] == "Never"


async def test_config_map_that_changes_before_its_preflight_is_looked_up_again(world: World) -> None:
    """Killed between the status that announces a preflight and the pod: the bytes may be others by then."""
    await world.process.kill()
    world.kill_at = (1, "after")
    world.start()
    world.apply(model())
    await world.until(world.killed.is_set)
    assert world.status()["resolution"]["phase"] == "Preflight"
    world.apply(config_map("iris-model", b"model two"))
    world.kill_at = None
    await world.restart()
    revision = await world.ready()
    assert world.object(CONTROLLER_REVISION, revision)["data"]["digest"] == digest_of(b"model two")


async def test_rejected_config_map_model_that_is_healed_in_place_is_tried_again(world: World) -> None:
    world.kubelet.models[b"model one"] = refused(Reason.LOAD_FAILED, "truncated")
    world.apply(model())
    await world.until(lambda: world.says("Stalled", "True", "LoadFailed"))
    world.apply(config_map("iris-model", b"model two"))
    revision = await world.ready(within=90)
    assert world.object(CONTROLLER_REVISION, revision)["data"]["digest"] == digest_of(b"model two")
    assert world.status()["rejected"] == []


async def test_retry_tries_a_rejected_model_once_more_per_nonce(world: World) -> None:
    world.kubelet.models[b"model one"] = refused(Reason.LOAD_FAILED, "flaky")
    world.apply(model())
    await world.until(lambda: world.says("Stalled", "True", "LoadFailed"))
    world.annotate(retry="1")
    await world.until(lambda: len(world.preflights()) == 2)
    await world.until(lambda: world.says("Stalled", "True", "LoadFailed"))
    await world.advance(300)
    assert len(world.preflights()) == 2
    assert world.status()["actions"]["retry"] == "1"
    del world.kubelet.models[b"model one"]
    world.annotate(retry="2")
    await world.ready()
    assert world.preflights()[-1].endswith("-3")
    assert world.status()["rejected"] == []
