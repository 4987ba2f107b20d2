"""Tables and descriptions as kubectl prints them."""

import datetime as dt
from typing import Any

import pytest

from serinus_operator.cli.columns import events_table, human, models_table
from serinus_operator.cli.describe import describe, label
from serinus_operator.cli.rows import attempt_of, outcome, row, state_of
from serinus_operator.cli.screen import drain_lines
from serinus_operator.local.instance import DrainReport

NOW = dt.datetime(2026, 1, 31, 12, 0, 0, tzinfo=dt.UTC)


def model(name: str = "iris", *, ready: str = "True", reason: str = "Ready", **more: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": "m", "observedGeneration": 2}
    return {
        "apiVersion": "serving.serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {
            "name": name,
            "namespace": "default",
            "generation": 2,
            "uid": "u",
            "creationTimestamp": "2026-01-31T11:58:00Z",
            "labels": {"tier": "b", "team": "a"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "x"},
        },
        "spec": {"model": {"uri": "file:///m.onnx"}, "replicas": 2},
        "status": {
            "conditions": [condition, *more.pop("conditions", [])],
            "stableRevision": f"{name}-1",
            "scaling": {"engine": "Fixed", "state": "Awake"},
            "summary": {"weight": "100%", "replicas": "2/2", "digest": "sha256:1a2b", "engine": "Fixed"},
            **more,
        },
    }


EVENT = {
    "involvedObject": {"kind": "ModelDeployment", "name": "iris"},
    "type": "Normal",
    "reason": "Ready",
    "message": "Ready=True: serves\n",
    "count": 3,
    "firstTimestamp": "2026-01-31T11:58:00Z",
    "lastTimestamp": "2026-01-31T11:59:55Z",
    "source": {"component": "serinus-operator"},
}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (599, "9m59s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (11100, "3h5m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
        (176400, "2d1h"), (691200, "8d"), (62985600, "729d"), (63072000, "2y"), (95472000, "3y10d"), (252288000, "8y"),
    ],
)  # fmt: skip
def test_durations_are_rounded_as_kubectl_does(seconds: int, text: str) -> None:
    assert human(seconds) == text


def test_models_as_kubectl_get_prints_them() -> None:
    fresh = {**model("new"), "status": {}}
    assert models_table([model(), fresh], NOW, wide=False, namespaces=False) == (
        "NAME   READY   REVISION   WEIGHT   REPLICAS   STATE   REASON   AGE\n"
        "iris   True    iris-1     100%     2/2        Awake   Ready    2m\n"
        "new                                                            2m"
    )


def test_wide_table_has_the_columns_of_priority_one() -> None:
    first = models_table([model()], NOW, wide=True, namespaces=True).splitlines()[0]
    assert first.split() == [
        "NAMESPACE", "NAME", "READY", "REVISION", "WEIGHT", "REPLICAS", "STATE", "REASON", "AGE",
        "URL", "DIGEST", "ENGINE", "SINCE", "LAST-REQUEST",
    ]  # fmt: skip


def test_events_as_kubectl_prints_them() -> None:
    assert events_table([EVENT], NOW) == (
        "LAST SEEN            TYPE     REASON   OBJECT                 MESSAGE\n"
        "5s (x3 over 2m)      Normal   Ready    ModelDeployment/iris   Ready=True: serves"
    ).replace("LAST SEEN            ", "LAST SEEN         ").replace("5s (x3 over 2m)      ", "5s (x3 over 2m)   ")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("readyReplicas", "Ready Replicas"), ("uid", "UID"), ("apiVersion", "API Version"), ("uri", "Uri"),
        ("serinus.dev/x", "serinus.dev/x"), ("observedGeneration", "Observed Generation"), ("caURLPath", "Ca URL Path"),
    ],
)  # fmt: skip
def test_labels_are_made_as_kubectl_makes_them(field: str, text: str) -> None:
    assert label(field) == text


def test_description_as_kubectl_prints_it() -> None:
    small = {**model(), "status": {"conditions": [{"type": "Ready", "status": "True"}], "selector": None}}
    assert (
        describe(small, [EVENT], NOW)
        == """\
Name:         iris
Namespace:    default
Labels:       team=a
              tier=b
Annotations:  note: x
API Version:  serving.serinus.dev/v1alpha1
Kind:         ModelDeployment
Metadata:
  Creation Timestamp:  2026-01-31T11:58:00Z
  Generation:          2
  UID:                 u
Spec:
  Model:
    Uri:     file:///m.onnx
  Replicas:  2
Status:
  Conditions:
    Status:  True
    Type:    Ready
  Selector:  <nil>
Events:
  Type    Reason  Age              From              Message
  ----    ------  ----             ----              -------
  Normal  Ready   5s (x3 over 2m)  serinus-operator  Ready=True: serves"""
    )
    assert describe(small, [], NOW).endswith("\nEvents:  <none>")


STALLED = {"type": "Stalled", "status": "True", "reason": "RolledBack", "observedGeneration": 2}
STATES = {
    "ready and answering": (model(), True, "Ready", "ready"),
    "ready in the status, but its pods have not come yet": (model(), False, "Ready", "working"),
    "a status of the spec before": ({**model(), "metadata": {**model()["metadata"], "generation": 3}}, True,
                                    "Reconciling", "working"),
    "stalled": (model(ready="False", reason="LoadFailed", conditions=[STALLED]), True, "Stalled RolledBack", "stalled"),
    "paused": (model(ready="False", reason="Paused"), True, "NotReady Paused", "working"),
    "none wanted": ({**model(), "spec": {"replicas": 0}}, False, "Ready", "ready"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "answers", "state", "end"), STATES.values(), ids=STATES)
def test_state_and_outcome(given: dict[str, Any], answers: bool, state: str, end: str) -> None:
    assert state_of(given) == state
    assert outcome(given, answers=answers) == end


def test_try_that_an_earlier_run_has_left_is_no_end() -> None:
    work = {"phase": "Preflight", "specHash": "h", "attempt": 3, "reason": "NotFound"}
    waiting = model(ready="False", reason="NotFound", conditions=[STALLED], resolution=work)
    assert attempt_of(waiting) == ("h", 3)
    assert outcome(waiting, answers=False, before=("h", 3)) == "working"
    assert outcome(waiting, answers=False, before=("h", 2)) == "stalled"
    assert outcome(waiting, answers=False, before=("another", 3)) == "stalled"
    assert outcome(waiting, answers=False) == "stalled"


def test_row_shows_the_phase_of_the_work_under_way() -> None:
    busy = row(model(resolution={"phase": "Preflight"}), 1.5, None)
    assert (busy.phase, busy.revision, busy.weight, busy.replicas) == ("Preflight", "iris-1", "100%", "2/2")
    assert row({**model(), "status": {}}, 0.0, None).revision == "-"


def test_what_draining_came_to_is_said() -> None:
    report = DrainReport(stopped=("a/b",), killed=("a/c", "a/d"), unfinished=("a/e",))
    assert drain_lines(report) == [
        "Drained 1 pod",
        "Killed after their grace period: a/c, a/d",
        "Left unfinished, goes on at the next start: a/e",
    ]
