"""A row of the failure table: a good revision serves, something bad comes, the good one serves on undisturbed."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.harness.kubectl import Manifest
from tests.e2e.harness.models import READY_SECONDS, SAID_SECONDS, Model
from tests.e2e.harness.waiting import Stopwatch
from tests.e2e.harness.world import World
from tests.models import doubler


@contextmanager
def served(world: World, namespace: str, name: str = "iris", replicas: int = 1) -> Iterator[Model]:
    """A model that serves with factor 2, under a light prober; none of its requests may be lost."""
    model = world.model(namespace, name)
    model.apply_onnx(doubler(2.0), replicas=replicas)
    model.wait_ready()
    with model.probe() as prober:
        yield model
    prober.assert_none_lost()
    world.figures.note("light probers of the failure table", namespace=namespace, sent=len(prober.records), lost=0)


def refused(
    world: World, model: Model, kind: str, reason: str, *words: str, final: bool, seconds: float | None = None
) -> Manifest:
    """What a user is told of a bad spec beside a good revision. `final` tells Stalled from Reconciling.

    Within `seconds`: of pods in the time that is promised, of a model when its preflight has come to its end.

    The condition `kind` is False (Ready, when it is about the pods), Ready is False for the same reason, `kubectl get`
    shows it in one word, and the stable revision is still the only one that serves.
    """
    watch = Stopwatch()
    stable = model.stable
    pods = model.incarnations(stable)
    seconds = seconds or (SAID_SECONDS if kind == "Ready" else READY_SECONDS)
    condition = model.wait_for(kind, "False", reason, *words, seconds=seconds)
    model.wait_for("Ready", "False", reason, *words)
    model.wait_for("Available", "True", "Serving")
    model.wait_for("Stalled" if final else "Reconciling", "True", "RolledBack" if final else reason)
    assert ("Reconciling" if final else "Stalled") not in model.conditions()
    assert model.shown_reason() == reason
    assert (model.stable, model.incarnations(stable)) == (stable, pods)
    world.figures.note("failure table", reason=reason, condition=f"{kind}=False", told_within=watch.seconds)
    return condition


def healed(world: World, model: Model, what: str, kind: str = "ModelResolved") -> None:
    """The condition turns true, and the new revision takes over. What was missing is found within the time said."""
    watch = Stopwatch()
    model.wait_for(kind, "True", seconds=SAID_SECONDS if kind == "ModelResolved" else READY_SECONDS)
    found = watch.seconds
    model.wait_ready()
    world.figures.note("healing", what=what, found_within=found, ready_within=watch.seconds)
