"""What those who wait for objects make of ours: Helm, the kstatus library of Flux and Helm, the check for Argo CD."""

import json
from pathlib import Path

import yaml
from tests.e2e.harness.models import config_map, deployment
from tests.e2e.harness.readers import course, read
from tests.e2e.harness.watching import objects, watched
from tests.e2e.harness.world import World
from tests.models import doubler, unknown_operator

HELM_SECONDS = 120
APPLIES = 10


def chart(folder: Path, content: bytes, config: str) -> Path:
    """A chart of an application with a model, as a user writes one."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "shop", "version": "1.0.0"}))
    manifests = [config_map(config, model_onnx=content), deployment("iris", f"configmap://{config}/model.onnx")]
    (folder / "templates" / "model.yaml").write_text(yaml.safe_dump_all(manifests))
    return folder


def test_helm_waits_for_a_model_and_fails_at_once_where_it_is_refused(world: World, namespace: str) -> None:
    """Helm 4 waits by kstatus; the pipeline fails long before its time is over, and the users notice nothing."""
    release, model = world.release("shop", namespace), world.model(namespace, "iris")
    folder = world.folder / f"{namespace}-chart"
    upgrade = ("upgrade", "--install", "shop", str(folder), "--wait", f"--timeout={HELM_SECONDS}s")
    chart(folder, doubler(2.0), "first")
    release.helm(*upgrade)
    assert model.conditions()["Ready"]["status"] == "True", model.brief()
    model.wait_ready()
    with model.probe() as prober:
        chart(folder, unknown_operator(), "bad")
        failed = release.helm(*upgrade, check=False)
        assert failed.returncode != 0
        assert "ModelDeployment/" in failed.stderr
        assert "Failed" in failed.stderr, failed.stderr
        said = model.conditions()
        assert (said["Stalled"]["reason"], said["Available"]["status"]) == ("RolledBack", "True"), model.brief()
        release.helm("rollback", "shop", "1", "--wait", f"--timeout={HELM_SECONDS}s")
        assert model.conditions()["Ready"]["status"] == "True", model.brief()
    prober.assert_none_lost()
    world.figures.note("helm --wait", sent=len(prober.records), lost=0, words=failed.stderr.strip()[-200:])


def test_kstatus_and_argo_cd_read_each_state_of_a_models_life_alike(world: World, namespace: str) -> None:
    model = world.model(namespace, "iris")
    file = world.folder / f"{namespace}-life.json"
    model.apply_onnx(doubler(2.0))
    with watched(model, file, "-o=json"):
        model.wait_ready()
        model.apply_onnx(unknown_operator(), "bad")
        model.wait_for("Stalled", "True", "RolledBack", seconds=HELM_SECONDS)
        model.apply_onnx(doubler(3.0), "good")
        model.wait_ready()
        model.kubectl("delete", "mdep", "iris")
    seen = read(objects(file))
    assert course(seen) == [
        (1, "InProgress"),
        (1, "Current"),
        (2, "InProgress"),
        (2, "Failed"),
        (3, "InProgress"),
        (3, "Current"),
    ]
    world.figures.note("read by kstatus and the check for Argo CD", objects=len(seen), words=dict(course(seen)))


def test_controller_that_applies_the_same_again_and_again_changes_nothing(world: World, namespace: str) -> None:
    model = world.model(namespace, "iris")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    before, pods = model.live(), model.incarnations()
    wanted = json.dumps(model.applied)
    for _ in range(APPLIES):
        model.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-", stdin=wanted)
        shown = model.kubectl.try_("diff", "--server-side", "--field-manager=gitops", "-f", "-", stdin=wanted)
        assert (shown.returncode, shown.stdout) == (0, ""), shown.stderr
    after = model.live()
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"] == before["status"]
    assert (model.incarnations(), len(model.revisions)) == (pods, 1)
