"""Without an operator the models serve on; a new one finds everything as it was."""

import pytest
from tests.e2e.harness.helm import values
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api.crd import UNSEEN

pytestmark = pytest.mark.own_operator
TRIPLED = {"y": [[3.0, 6.0, 9.0, 12.0]]}


def test_a_model_deleted_while_the_operator_is_down_leaves_nothing(world: World, namespace: str) -> None:
    release = world.own_release(namespace)
    model = world.model(namespace, "gone")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    release.scale(0)
    watch = Stopwatch()
    model.kubectl.delete("mdep", "gone")
    wait_for(lambda: not model.children(), seconds=30, what="no child is left", describe=model.children)
    world.figures.note("deletion", what="operator at 0 replicas", children_gone_within=watch.seconds)
    assert world.api.get("modeldeployments", namespace, "gone") is None


def test_upgrade_and_downgrade_restart_no_pod(world: World, namespace: str) -> None:
    release = world.own_release(namespace)
    model, other = world.model(namespace, "first"), world.model(namespace, "other")
    model.apply_onnx(doubler(2.0), replicas=2)
    other.apply_onnx(doubler(4.0))
    model.wait_ready()
    other.wait_ready()
    before = {m.name: (m.stable, m.incarnations()) for m in (model, other)}
    second = world.second_images()
    with model.probe(rate=10) as light:
        for images in (second, world.images):
            release.install(values(images, watch=(namespace,), crd=False))
            (pod,) = release.pods()
            assert pod["spec"]["containers"][0]["image"] == images.operator
            release.wait_for_leader()
            # A model that is new to this operator shows that it works, and which image it gives.
            newcomer = world.model(namespace, f"new-{images.runtime.rpartition('-')[2].partition(':')[0]}")
            newcomer.apply_onnx(doubler(3.0))
            newcomer.wait_ready()
            assert {p["spec"]["containers"][0]["image"] for p in newcomer.pods()} == {images.runtime}
            assert {m.name: (m.stable, m.incarnations()) for m in (model, other)} == before
            assert all(len(m.revisions) == 1 for m in (model, other))
    light.assert_none_lost()
    world.figures.note("operator upgraded and downgraded", sent=len(light.records), lost=0, pods_restarted=0)


def test_models_serve_on_without_a_release_and_a_new_one_adopts_them(world: World, namespace: str) -> None:
    release = world.own_release(namespace)
    model = world.model(namespace, "kept")
    model.apply_onnx(doubler(2.0), replicas=2)
    model.wait_ready()
    stable, before, children = model.stable, model.incarnations(), set(model.children())
    with model.probe(rate=10) as light:
        release.uninstall()
        assert not release.pods()
        model.apply_onnx(doubler(2.0), replicas=3)
        assert set(model.children()) == children
        release.install(values(world.images, watch=(namespace,), crd=False))
        release.wait_for_leader()
        model.wait_ready()
        assert model.stable == stable
        assert before < model.incarnations()
        assert len(model.incarnations()) == 3
        model.apply_onnx(doubler(3.0), "second", replicas=2)
        model.wait_ready()
        model.wait_for_answer(TRIPLED)
    light.assert_none_lost()
    world.figures.note("uninstalled and installed again", sent=len(light.records), lost=0, pods_restarted=0)


def test_a_release_for_one_namespace_has_no_right_beyond_it(world: World, namespace: str) -> None:
    release = world.own_release(namespace)
    kinds = {manifest["kind"] for manifest in release.manifests()}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
    spaces = {m["metadata"].get("namespace", namespace) for m in release.manifests()}
    assert spaces == {namespace}
    elsewhere = world.model(world.namespace("elsewhere"), "ignored")
    elsewhere.apply_onnx(doubler(2.0))
    model = world.model(namespace, "seen")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    assert elsewhere.status() == UNSEEN
    (pod,) = release.pods()
    account = f"system:serviceaccount:{namespace}:{pod['spec']['serviceAccountName']}"
    for scope in (("--all-namespaces",), ("-n", elsewhere.namespace)):
        done = world.kubectl.try_("auth", "can-i", "list", "modeldeployments", *scope, f"--as={account}")
        assert done.stdout.strip() == "no", done.stdout + done.stderr
    assert "Forbidden" not in release.logs()
