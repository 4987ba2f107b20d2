"""Failure table: somebody else keeps the pods from starting. Told in their words, waited for, healed by itself."""

from collections.abc import Iterator

import pytest
from dev.cluster import api as cluster
from tests.e2e.harness.models import RESOURCES, Model
from tests.e2e.harness.rows import healed, refused, served
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.world import ENFORCE, World, second_name
from tests.models import doubler

TRIPLED = {"y": [[3.0, 6.0, 9.0, 12.0]]}
APPARMOR = "container.apparmor.security.beta.kubernetes.io/runtime"


def quota(pods: int) -> dict[str, object]:
    meta = {"name": "few"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": str(pods)}}}


@pytest.fixture
def labelled_node(world: World, namespace: str) -> Iterator[tuple[str, str]]:
    """A node, and a label key that it does not have yet and will lose afterwards."""
    node, key = world.api.list("nodes")[0]["metadata"]["name"], f"serinus-e2e/{namespace}"
    yield node, key
    world.kubectl("label", "node", node, f"{key}-")


def test_an_unschedulable_model_waits_stalls_after_its_deadline_and_heals(
    world: World, namespace: str, labelled_node: tuple[str, str]
) -> None:
    node, key = labelled_node
    with served(world, namespace) as model:
        model.apply_onnx(doubler(3.0), "third", runtime={"nodeSelector": {key: "yes"}, "startupDeadlineSeconds": 20})
        refused(world, model, "Ready", "Unschedulable", "node affinity/selector", final=False, seconds=18)
        stalled = model.wait_for("Stalled", "True", "Unschedulable", seconds=45)
        assert "node affinity/selector" in stalled["message"]
        assert "Reconciling" not in model.conditions()
        assert model.shown_reason() == "Unschedulable"
        world.kubectl("label", "node", node, f"{key}=yes")
        healed(world, model, "label of a node", kind="ModelValidated")
        model.wait_for_answer(TRIPLED)


def test_a_model_that_asks_for_too_much_cpu_is_told_so_by_the_scheduler(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        greedy = {"requests": {"cpu": "900"}, "limits": RESOURCES["limits"]}
        model.apply_onnx(doubler(3.0), "third", runtime={"resources": greedy})
        refused(world, model, "Ready", "Unschedulable", "Insufficient cpu", final=False)


def test_a_missing_image_is_told_in_the_kubelet_s_words_and_heals(world: World, namespace: str) -> None:
    image = f"serinus-e2e-missing:{namespace[-5:]}"
    with served(world, namespace) as model:
        model.apply_onnx(doubler(3.0), "third", runtime={"image": image})
        refused(world, model, "Ready", "ImagePullFailed", image, final=False)
        if cluster.is_own():
            second_name(world.images.runtime, cluster.tools().ctr, image)
            healed(world, model, "image", kind="ModelValidated")
            model.wait_for_answer(TRIPLED)


def test_a_quota_is_told_in_the_api_server_s_words_and_heals(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.kubectl.apply(quota(1))
        model.apply_onnx(doubler(3.0), "third")
        refused(world, model, "Ready", "PodsRefused", "exceeded quota: few", "limited: pods=1", final=False)
        model.kubectl.apply(quota(10))
        healed(world, model, "quota", kind="ModelValidated")
        model.wait_for_answer(TRIPLED)


def test_a_quota_on_serving_pods_is_told_in_the_controller_s_words_and_heals(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.kubectl.apply(quota(2))
        model.apply_onnx(doubler(2.0), replicas=3)
        before = model.incarnations()
        model.wait_for("Ready", "False", "PodsRefused", "exceeded quota: few")
        model.wait_for("Available", "True", "Serving")
        model.wait_for("Reconciling", "True", "PodsRefused")
        assert model.shown_reason() == "PodsRefused"
        assert before <= model.incarnations()
        model.kubectl.apply(quota(10))
        healed(world, model, "quota on serving pods", kind="ModelValidated")
        assert len(model.incarnations()) == 3


def test_pod_security_is_told_in_the_api_server_s_words_and_heals(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.apply_onnx(doubler(3.0), "third", runtime={"podAnnotations": {APPARMOR: "unconfined"}})
        refused(world, model, "Ready", "PodsRefused", 'violates PodSecurity "restricted', final=False)
        world.kubectl("label", "namespace", namespace, f"{ENFORCE}=privileged", "--overwrite")
        healed(world, model, "Pod Security", kind="ModelValidated")
        model.wait_for_answer(TRIPLED)


def test_requests_above_limits_are_told_at_once_in_the_api_server_s_words(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        wrong = {"requests": {"memory": "2Gi"}, "limits": RESOURCES["limits"]}
        model.apply_onnx(doubler(3.0), "third", runtime={"resources": wrong})
        invalid(world, model, "must be less than or equal to memory limit", "correct spec.runtime.resources")
        model.apply_onnx(doubler(3.0), "third")
        healed(world, model, "requests above limits", kind="ModelValidated")
        model.wait_for_answer(TRIPLED)


def test_a_misspelt_affinity_is_told_by_its_name(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        misspelt = {"nodeAffinty": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}
        model.apply_onnx(doubler(3.0), "third", runtime={"affinity": misspelt})
        invalid(world, model, "affinity.nodeAffinty", "correct spec.runtime.affinity")
        model.apply_onnx(doubler(3.0), "third")
        healed(world, model, "misspelt affinity", kind="ModelValidated")


def invalid(world: World, model: Model, *words: str) -> None:
    """A pod that the API server will never take: Stalled at once, in one word, and the stable revision serves on."""
    watch, stable = Stopwatch(), model.stable
    pods = model.incarnations(stable)
    model.wait_for("Stalled", "True", "RejectedByAPIServer", *words)
    assert "Reconciling" not in model.conditions()
    model.wait_for("Ready", "False", "RejectedByAPIServer", *words)
    model.wait_for("Available", "True", "Serving")
    assert model.shown_reason() == "RejectedByAPIServer"
    assert (model.stable, model.incarnations(stable)) == (stable, pods)
    world.figures.note(
        "failure table", reason="RejectedByAPIServer", condition="Ready=False", told_within=watch.seconds
    )


def test_pods_that_never_become_ready_are_given_up_at_the_deadline(world: World, namespace: str) -> None:
    """The preflight passes, then the server of the download fails: the pods end again and again."""
    files = world.files()
    uri = files.put(f"/once/{namespace}/model.onnx", doubler(3.0))
    with served(world, namespace) as model:
        model.kubectl.apply(files.trust("trust"))
        model.apply(uri, runtime={"caConfigMapRef": {"name": "trust"}, "startupDeadlineSeconds": 30})
        model.wait_for("ModelValidated", "True", "Passed")
        refused(world, model, "Ready", "DownloadFailed", "was not ready within 30 s", "500", final=True, seconds=90)
        wait_for(
            lambda: len(world.api.list("deployments", namespace)) == 1,
            seconds=30,
            what="the refused revision's Deployment is gone",
        )
