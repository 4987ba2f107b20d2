"""The CRD as a release brings it: it outlives the release, is taken back by the next one, and is upgraded with it.

The other stories share a CRD, or leave it to the shared release; this one owns it, and so it is alone on the cluster.
Helm is used as the chart's README says, with `--take-ownership` only where the README has it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.e2e.harness.api import Manifest
from tests.e2e.harness.helm import CHART, CommandError, Release, values
from tests.e2e.harness.models import SAID_SECONDS, Model
from tests.e2e.harness.prober import Prober
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names

CRD = f"{names.PLURAL}.{names.GROUP}"
ADDED = "fieldOfALaterVersion"
ANSWERS = 20
RELEASE_NAME, RELEASE_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"


@pytest.mark.own_crd
def test_crd_and_models_outlive_the_release_and_are_upgraded_with_the_next(
    world: World, namespace: str, tmp_path: Path
) -> None:
    release = world.release("serinus", namespace)
    world.releases.append(release)
    chosen = values(world.images, watch=(namespace,), crd=True)
    first_install(world, release, chosen)
    release.wait_for_leader()
    model = world.model(namespace, "kept")
    model.apply_onnx(doubler(2.0), replicas=2)
    model.wait_ready()
    before, pods = lasting(world, model), model.incarnations()

    with model.probe(rate=10) as light, at_the_end(release, chosen):
        release.uninstall()
        assert not release.pods()
        answers_on(light)
        assert (lasting(world, model), model.incarnations()) == (before, pods)

        release.install(chosen, take_ownership=False)
        release.wait_for_leader()
        model.apply_onnx(doubler(2.0), replicas=3)  # what the new operator does shows that it has adopted the model
        model.wait_ready()
        assert lasting(world, model) == before
        assert pods < (now := model.incarnations())
        assert len(now) == 3

        assert ADDED not in spec_fields(world)
        release.install(chosen, chart=later_chart(tmp_path), take_ownership=False)
        wait_for(lambda: ADDED in spec_fields(world), seconds=SAID_SECONDS, what="the CRD has the new field")
        release.wait_for_leader()
        answers_on(light)
        assert (lasting(world, model), model.incarnations()) == (before, now)
    light.assert_none_lost()
    assert ADDED not in spec_fields(world), "the next run would find the field"
    world.figures.note("CRD upgraded with the release", sent=len(light.records), lost=0, pods_restarted=0)


def first_install(world: World, release: Release, chosen: Manifest) -> None:
    """Plainly where there is no CRD; where another release has brought it, Helm refuses first."""
    found = world.api.get("customresourcedefinitions", None, CRD)
    if found is None:
        release.install(chosen, take_ownership=False)
    else:
        with pytest.raises(CommandError, match=f"{CRD}.*cannot be imported into the current release"):
            release.install(chosen, take_ownership=False)
        assert not release.pods()
        release.install(chosen)
        taken = world.api.read("customresourcedefinitions", None, CRD)
        assert taken["metadata"]["uid"] == found["metadata"]["uid"]
    notes = world.api.read("customresourcedefinitions", None, CRD)["metadata"]["annotations"]
    assert (notes[RELEASE_NAME], notes[RELEASE_NAMESPACE]) == (release.name, release.namespace)
    assert notes["helm.sh/resource-policy"] == "keep"


@contextmanager
def at_the_end(release: Release, chosen: Manifest) -> Iterator[None]:
    """Whatever happens, the CRD is that of the sources again; the next run takes it over from this release."""
    try:
        yield
    finally:
        release.install(chosen, take_ownership=False)


def lasting(world: World, model: Model) -> dict[str, str]:
    """UIDs of what must be the same after all: the CRD, the model, and its children but for pods."""
    found = {
        "crd": world.api.read("customresourcedefinitions", None, CRD)["metadata"],
        "model": model.live()["metadata"],
        **{name: world.api.read(*place)["metadata"] for name, place in kept_children(model).items()},
    }
    assert not [name for name, meta in found.items() if "deletionTimestamp" in meta]
    return {name: str(meta["uid"]) for name, meta in found.items()} | {"stable": model.stable}


def kept_children(model: Model) -> dict[str, tuple[str, str, str]]:
    """Children that have one life as long as the revision has."""
    found = (child.partition("/") for child in model.children() if not child.startswith(("pods/", "replicasets/")))
    return {f"{plural}/{name}": (plural, model.namespace, name) for plural, _, name in found}


def answers_on(light: Prober) -> None:
    """The prober gets answers from now on; that none is lost is looked at in the end."""
    sent = len(light.records)
    wait_for(lambda: len(light.records) >= sent + ANSWERS, seconds=SAID_SECONDS, what=f"{ANSWERS} more answers")


def spec_fields(world: World) -> Manifest:
    version = world.api.read("customresourcedefinitions", None, CRD)["spec"]["versions"][0]
    fields: Manifest = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return fields


def later_chart(folder: Path) -> Path:
    """A copy of the chart whose CRD has one more optional field."""
    chart = shutil.copytree(CHART, folder / "chart")
    file = chart / "files" / "crd.yaml"
    crd = yaml.safe_load(file.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"][ADDED] = {"type": "string", "maxLength": 63, "description": "What comes later."}
    file.write_text(yaml.safe_dump(crd, sort_keys=False, width=10_000))
    return chart
