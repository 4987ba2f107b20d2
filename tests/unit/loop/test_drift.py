"""What the API server adds is no drift; what somebody changes is."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.defaults import defaulted

from serinus_operator.drift import changed_field, differs

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "iris-1", "namespace": "ml", "labels": {"app": "iris"}},
    "spec": {
        "replicas": 2,
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": {"app": "iris"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": {"app": "iris"}},
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [
                    {
                        "name": "runtime",
                        "image": "runtime:1",
                        "args": ["serve"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "x"}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": "0.5"}},
                        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 2},
                        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, {"name": "work", "emptyDir": {}}],
            },
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "iris", "namespace": "ml", "labels": {}},
    "spec": {"type": "ClusterIP", "selector": {"app": "iris"}, "ports": [{"name": "http", "port": 80}]},
}

TABLE: list[tuple[str, Any, Any, bool]] = [
    ("the same", {"a": 1}, {"a": 1}, False),
    ("another value", {"a": 1}, {"a": 2}, True),
    ("a field that is gone", {"a": 1}, {}, True),
    ("a field of somebody else's", {"a": 1}, {"a": 1, "b": 2}, False),
    ("an empty value that the server drops", {"a": {}, "b": [], "c": ""}, {}, False),
    ("a false that is gone", {"allowPrivilegeEscalation": False}, {}, True),
    ("a zero that is gone", {"maxUnavailable": 0}, {}, True),
    ("nothing where a map was", {"a": {"b": 1}}, {"a": None}, True),
    ("a text where a map was", {"a": {"b": 1}}, {"a": "b"}, True),
    ("a map where a list was", {"a": [1]}, {"a": {"0": 1}}, True),
    ("a longer list", {"a": [1]}, {"a": [1, 2]}, True),
    ("a shorter list", {"a": [1, 2]}, {"a": [1]}, True),
    ("a list in another order", {"a": [1, 2]}, {"a": [2, 1]}, True),
    ("items with additions", {"a": [{"x": 1}]}, {"a": [{"x": 1, "y": 2}]}, False),
    ("a selector with more", {"selector": {"a": "b"}}, {"selector": {"a": "b", "c": "d"}}, True),
    ("match labels with more", {"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b", "c": "d"}}, True),
    ("a node selector with more", {"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b", "c": "d"}}, True),
    ("labels with more", {"labels": {"a": "b"}}, {"labels": {"a": "b", "command": "x", "paused": "y"}}, False),
    ("a command", {"image": "x"}, {"image": "x", "command": ["sh"]}, True),
    ("no command", {"image": "x"}, {"image": "x", "command": None, "hostNetwork": False, "envFrom": []}, False),
    ("replicas", {"replicas": 1}, {"replicas": 5}, False),
    (
        "quantities of one size",
        {"limits": {"cpu": "1000m", "memory": "1Gi"}},
        {"limits": {"cpu": "1", "memory": "1024Mi"}},
        False,
    ),
    ("quantities as numbers", {"limits": {"cpu": "2"}}, {"limits": {"cpu": 2}}, False),
    ("quantities of two sizes", {"limits": {"memory": "1G"}}, {"limits": {"memory": "1Gi"}}, True),
    ("tiny quantities", {"limits": {"cpu": "1u"}}, {"limits": {"cpu": "1000n"}}, False),
    ("texts that would be one quantity", {"value": "1"}, {"value": "1.0"}, True),
    ("texts that would be one size", {"image": "1Ki"}, {"image": "1024"}, True),
]


@pytest.mark.parametrize(("wanted", "live", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_difference(wanted: Any, live: Any, expected: bool) -> None:
    assert differs(wanted, live) is expected


@pytest.mark.parametrize("manifest", [DEPLOYMENT, SERVICE], ids=lambda m: m["kind"])
def test_what_the_api_server_adds_never_differs(manifest: dict[str, Any]) -> None:
    live = defaulted(manifest)
    live["metadata"] |= {
        "uid": "u",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": "2026-05-01T09:00:00Z",
    }
    live["status"] = {"replicas": 2}
    assert live["spec"] != manifest["spec"]
    assert not differs(manifest, live)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all single values, but for those that have a way of their own."""
    if isinstance(value, dict):
        return [p for key, item in value.items() if key != "replicas" for p in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [p for n, item in enumerate(value) for p in leaves(item, (*path, n))]
    return [path]


LEAVES = leaves(DEPLOYMENT)


@settings(deadline=None)
@given(path=st.sampled_from(LEAVES), kind=st.sampled_from(["other", "gone"]))
def test_any_value_that_somebody_changes_differs(path: tuple[Any, ...], kind: str) -> None:
    live = defaulted(DEPLOYMENT)
    place = live
    for step in path[:-1]:
        place = place[step]
    before = place[path[-1]]
    if kind == "gone":
        del place[path[-1]]
    else:
        place[path[-1]] = not before if isinstance(before, bool) else f"{before}9"
    assert differs(DEPLOYMENT, live)


quantities = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.integers(0, 10_000),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]),
)


@given(quantities, quantities)
def test_quantities_differ_when_their_amounts_do(one: str, other: str) -> None:
    factor = {"": 1, "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}

    def amount(text: str) -> Decimal:
        digits = text.rstrip("mkMGKi")
        return Decimal(digits) * factor[text[len(digits) :]]

    assert differs({"limits": {"x": one}}, {"limits": {"x": other}}) is (amount(one) != amount(other))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=12,
)


@given(json_values)
def test_nothing_differs_from_itself_and_nothing_is_changed(value: Any) -> None:
    before = copy.deepcopy(value)
    assert not differs(value, value)
    assert value == before


@given(json_values, json_values)
def test_any_two_values_can_be_compared(wanted: Any, live: Any) -> None:
    assert differs(wanted, live) in (True, False)


FIELDS: list[tuple[str, Any, Any, str | None]] = [
    ("the same", {"a": 1}, {"a": 1}, None),
    ("another value", {"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
    ("a field that is gone", {"a": {"b": 1}}, {"a": {}}, "a.b"),
    ("an addition", {"a": {"command": None}, "b": [1]}, {"a": {"command": ["x"]}, "b": [1, 2]}, "a.command"),
    ("additions alone", {"a": {"image": "x"}, "b": [1]}, {"a": {"image": "x", "command": ["x"]}, "b": [2, 1]}, None),
    ("a sidecar before ours", {"c": [{"name": "r", "v": 1}]}, {"c": [{"name": "m"}, {"name": "r", "v": 1}]}, None),
    ("ours beside a sidecar", {"c": [{"name": "r", "v": 1}]}, {"c": [{"name": "m"}, {"name": "r", "v": 2}]}, "c[r].v"),
    ("ours is gone", {"c": [{"name": "r", "v": 1}]}, {"c": [{"name": "m"}]}, "c[r]"),
    ("nameless items", {"c": [{"x": 1}, {"x": 2}]}, {"c": [{"x": 1, "y": 1}, {"x": 3}]}, "c[1].x"),
    ("an item that is gone", {"c": ["ALL"]}, {"c": []}, "c[0]"),
    ("quantities of one size", {"limits": {"cpu": "1"}, "z": 1}, {"limits": {"cpu": "1000m"}, "z": 2}, "z"),
    ("quantities of two sizes", {"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, "limits.cpu"),
    ("the size", {"replicas": 1, "a": 1}, {"replicas": 2, "a": 2}, "a"),
]


@pytest.mark.parametrize(("wanted", "live", "path"), [row[1:] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_field_of_ours_that_has_another_value_is_named(wanted: Any, live: Any, path: str | None) -> None:
    assert changed_field(wanted, live) == path
