"""The audit log's lines, and what the benchmarks count of them."""

import json
from pathlib import Path
from typing import Any

from bench import audit as counting
from dev.cluster.audit import POD_NAME, parse

OURS = "system:serviceaccount:bench:serinus"


def line(verb: str, resource: str, stage: str = "ResponseComplete", user: str = OURS, **more: Any) -> str:
    plural, _, sub = resource.partition("/")
    reference = {"resource": plural, "namespace": "models", "name": "iris", "apiGroup": "apps"}
    told = {
        "stage": stage,
        "verb": verb,
        "requestReceivedTimestamp": "2026-05-01T09:00:00.000000Z",
        "user": {"username": user, "extra": {POD_NAME: ["operator-1"]}},
        "objectRef": reference | ({"subresource": sub} if sub else {}),
        "responseStatus": {"code": 200},
    }
    return json.dumps(told | more) + "\n"


def test_line_tells_who_asked_for_what() -> None:
    request = parse(line("patch", "deployments/scale"))
    assert request
    assert (request.user, request.pod, request.verb, request.resource) == (
        OURS,
        "operator-1",
        "patch",
        "deployments/scale",
    )
    assert (request.group, request.namespace, request.name, request.code) == ("apps", "models", "iris", 200)
    assert request.mutating
    assert not request.lease


def test_line_that_is_still_being_written_is_none_yet() -> None:
    assert parse(line("get", "pods")[:40]) is None


def test_request_without_an_object_has_no_names() -> None:
    request = parse(line("get", "", objectRef={}, user="someone"))
    assert request
    assert (request.resource, request.namespace, request.name) == ("", "", "")


def test_each_request_of_a_user_counts_once_after_the_mark(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("create", "pods"))
    since = counting.end_of(log)
    with log.open("a") as stream:
        stream.writelines(
            [
                line("create", "pods"),
                line("patch", "modeldeployments/status"),
                line("watch", "pods", "ResponseStarted"),
                line("watch", "pods"),
                line("patch", "leases"),
                line("delete", "pods", user="kubelet"),
                line("create", "services")[:50],
            ]
        )
    calls = counting.calls(log, since, OURS, "models")
    assert calls == {
        ("create", "pods"): 1,
        ("patch", "modeldeployments/status"): 1,
        ("watch", "pods"): 1,
        ("patch", "leases"): 1,
    }
    assert counting.mutating(calls) == {("create", "pods"): 1, ("patch", "modeldeployments/status"): 1}
