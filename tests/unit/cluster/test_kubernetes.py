"""The adapter against a server on this machine that plays the API server: requests sent, answers understood."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from kubernetes.aio import client

from serinus_operator.cluster import kubernetes
from serinus_operator.cluster.errors import (
    ClusterError,
    Conflict,
    Denied,
    Invalid,
    Missing,
    Refused,
    Terminating,
    Unavailable,
)
from serinus_operator.cluster.kubernetes import KubernetesCluster
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    GATEWAY_CLASS,
    MODEL_DEPLOYMENT,
    POD,
    Kind,
    Precondition,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SEEN = Precondition(uid="u1", resource_version="7")


@dataclass
class Server:
    """Answers each request as it is told, and keeps what was asked."""

    answer: Answer
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        return await self.answer(request)

    @property
    def body(self) -> Any:
        return yaml.safe_load(self.bodies[-1])


@dataclass
class Wired:
    """An adapter with its server, and the calls it reported."""

    cluster: KubernetesCluster
    server: Server
    calls: list[tuple[str, str, int]]


def says(status: int, message: str = "", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "code": status, "message": message}, status=status, headers=headers)

    return answer


def gives(manifest: dict[str, Any]) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(manifest)

    return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connected() -> AsyncIterator[tuple[client.ApiClient, Server]]:
    """One connection pool for all tests: making one loads all of the system's certificates."""
    server = Server(gives({}))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    configuration = client.Configuration(host=f"http://{host}:{port}")
    configuration.client_session_kwargs = {"trust_env": False}
    api = client.ApiClient(configuration)
    yield api, server
    await api.close()
    await runner.cleanup()


@pytest.fixture
def wired(connected: tuple[client.ApiClient, Server]) -> Wired:
    api, server = connected
    server.answer = gives({"metadata": {"name": "x"}})
    server.asked.clear()
    server.bodies.clear()
    calls: list[tuple[str, str, int]] = []
    return Wired(KubernetesCluster(api, lambda *call: calls.append(call)), server, calls)


def manifest(kind: Kind = DEPLOYMENT, **more: Any) -> dict[str, Any]:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"namespace": "ml", "name": "x"}, **more}


RBAC = (
    'deployments.apps is forbidden: User "system:serviceaccount:ops:serinus" cannot create resource "deployments" in '
    'API group "apps" in the namespace "ml"'
)
CORE = 'pods is forbidden: User "system:serviceaccount:ops:serinus" cannot list resource "pods" in API group "" at the'
QUOTA = 'pods "iris-pf-1" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5'
SECURITY = 'pods "iris-pf-1" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
GOING = 'deployments.apps "x" is forbidden: unable to create new content in namespace ml because it is being terminated'

UNKNOWN = (
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.affinity.nodeAffinty"'
)
UNTYPED = (
    "failed to create typed patch object (ml/x; apps/v1, Kind=Deployment): "
    ".spec.template.spec.affinity.nodeAffinty: field not declared in schema"
)
WEBHOOK = 'admission webhook "policies.example" denied the request: images come from registry.example'
POLICY = (
    "deployments.apps \"x\" is forbidden: ValidatingAdmissionPolicy 'small' with binding 'all' denied request: too big"
)

ANSWERS: list[tuple[str, Answer, type[ClusterError], str]] = [
    ("a right is missing", says(403, RBAC), Denied, "may not create deployments.apps"),
    ("a right on a core resource", says(403, CORE), Denied, "may not list pods;"),
    ("quota", says(403, QUOTA), Refused, QUOTA),
    ("Pod Security", says(403, SECURITY), Refused, SECURITY),
    ("namespace going", says(403, GOING), Terminating, GOING),
    ("gone", says(404, 'deployments.apps "x" not found'), Missing, "not found"),
    ("conflict", says(409, "the object has been modified"), Conflict, "has been modified"),
    ("invalid", says(422, "spec.replicas: Invalid value: -1"), Invalid, "spec.replicas: Invalid value: -1"),
    ("bad request", says(400, "json: cannot unmarshal"), Invalid, "cannot unmarshal"),
    ("unknown field", says(400, UNKNOWN), Invalid, UNKNOWN),
    ("unknown field of an apply", says(500, UNTYPED), Invalid, UNTYPED),
    ("too large", says(413, "Request entity too large"), Invalid, "too large"),
    ("a webhook's policy, as 400", says(400, WEBHOOK), Refused, WEBHOOK),
    ("a policy of the cluster, as 422", says(422, POLICY), Refused, POLICY),
    ("unauthorized", says(401, "Unauthorized"), Unavailable, "HTTP 401"),
    ("too many", says(429, "slow down"), Unavailable, "HTTP 429 slow down"),
    ("expired", says(410, "continue token expired"), Unavailable, "HTTP 410"),
    (
        "internal",
        says(500, "etcd leader changed"),
        Unavailable,
        "update deployments.apps: HTTP 500 etcd leader changed",
    ),
    ("unavailable", says(503), Unavailable, "HTTP 503"),
]


@pytest.mark.parametrize(("answer", "error", "words"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
async def test_answer_is_translated_into_our_error(
    wired: Wired, answer: Answer, error: type[ClusterError], words: str
) -> None:
    wired.server.answer = answer
    with pytest.raises(error) as caught:
        await wired.cluster.replace(manifest(), SEEN)
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert len(wired.server.asked) == 1, "nothing is repeated behind our back"
    assert wired.calls == [("update", "deployments.apps", (await answer(wired.server.asked[0])).status)]


async def test_missing_right_says_verb_and_resource(wired: Wired) -> None:
    wired.server.answer = says(403, RBAC)
    with pytest.raises(Denied) as caught:
        await wired.cluster.create(manifest())
    assert (caught.value.verb, caught.value.resource) == ("create", "deployments.apps")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
async def test_retry_after_is_understood(wired: Wired, header: str, seconds: float | None) -> None:
    wired.server.answer = says(429, "later", **{"Retry-After": header})
    with pytest.raises(Unavailable) as caught:
        await wired.cluster.create(manifest())
    assert caught.value.retry_after == seconds


async def test_absent_object_is_none(wired: Wired) -> None:
    wired.server.answer = says(404, "not found")
    assert await wired.cluster.get(CONFIG_MAP, "ml", "x") is None


async def test_deleting_what_is_gone_is_no_error(wired: Wired) -> None:
    wired.server.answer = says(404, "not found")
    await wired.cluster.delete(POD, "ml", "x", SEEN)


@pytest.mark.parametrize("verb", ["get", "create"])
async def test_call_that_hangs_ends_at_its_limit(wired: Wired, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    assert kubernetes.READ_SECONDS <= 10
    assert kubernetes.WRITE_SECONDS == 4, "the fence counts on it"
    monkeypatch.setattr(kubernetes, "READ_SECONDS", 0.05)
    monkeypatch.setattr(kubernetes, "WRITE_SECONDS", 0.05)

    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    wired.server.answer = hang
    call = wired.cluster.get(POD, "ml", "x") if verb == "get" else wired.cluster.create(manifest(POD))
    with pytest.raises(Unavailable, match=f"{verb} pods: TimeoutError"):
        await call
    assert wired.calls == [(verb, "pods", 0)]


async def test_answer_that_trickles_ends_at_the_same_limit(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "READ_SECONDS", 0.2)

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    wired.server.answer = trickle
    with pytest.raises(Unavailable, match="get pods"):
        await wired.cluster.get(POD, "ml", "x")


@pytest.mark.parametrize("text", ["<html>proxy</html>", '{"kind": "Deplo', "", "\xff"])
async def test_answer_that_is_no_json_is_unavailable(wired: Wired, text: str) -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.Response(body=text.encode("latin-1"), content_type="application/json")

    wired.server.answer = broken
    with pytest.raises(Unavailable, match="not JSON"):
        await wired.cluster.get(POD, "ml", "x")


@pytest.mark.parametrize("text", ["[]", "null", "3", '{"metadata": {}}', '{"items": null, "metadata": {}}'])
async def test_list_without_items_is_no_list(wired: Wired, text: str) -> None:
    """A proxy's answer: it must not pass for an empty cluster, nor end the process."""

    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="application/json")

    wired.server.answer = odd
    with pytest.raises(Unavailable, match="list pods"):
        await wired.cluster.list(POD, None, {})


async def test_error_page_of_a_proxy_is_quoted_in_part(wired: Wired) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>" + "x" * 5000, status=502)

    wired.server.answer = page
    with pytest.raises(Unavailable) as caught:
        await wired.cluster.get(POD, "ml", "x")
    assert "HTTP 502 <html>xxx" in str(caught.value)
    assert len(str(caught.value)) < 300


async def test_connection_that_is_closed_is_unavailable(wired: Wired) -> None:
    async def close(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    wired.server.answer = close
    with pytest.raises(Unavailable):
        await wired.cluster.create(manifest())
    assert wired.calls == [("create", "deployments.apps", 0)]


async def test_nobody_listening_is_unavailable() -> None:
    configuration = client.Configuration(host="http://127.0.0.1:1")
    async with KubernetesCluster(client.ApiClient(configuration), lambda *_: None) as cluster:
        with pytest.raises(Unavailable, match="get pods"):
            await cluster.get(POD, "ml", "x")


async def test_list_follows_all_pages_and_names_the_kind(wired: Wired) -> None:
    async def pages(request: web.Request) -> web.Response:
        page = int(request.query.get("continue", "0"))
        items = [{"metadata": {"name": f"p{page}{n}"}} for n in range(2)]
        return web.json_response({"items": items, "metadata": {"continue": str(page + 1)} if page < 2 else {}})

    wired.server.answer = pages
    found = await wired.cluster.list(DEPLOYMENT, None, {"a": "b", "c": "d"})
    assert [m["metadata"]["name"] for m in found] == ["p00", "p01", "p10", "p11", "p20", "p21"]
    assert {(m["apiVersion"], m["kind"]) for m in found} == {("apps/v1", "Deployment")}
    assert [r.path for r in wired.server.asked] == ["/apis/apps/v1/deployments"] * 3
    assert all(r.query["labelSelector"] == "a=b,c=d" for r in wired.server.asked)
    assert all(r.query["limit"] == "500" for r in wired.server.asked)


async def test_check_of_a_watch_asks_for_nothing_and_tells_a_missing_right(wired: Wired) -> None:
    async def ended(_: web.Request) -> web.Response:
        return web.Response(content_type="application/json")

    wired.server.answer = ended
    await wired.cluster.check_watch(POD)
    asked = wired.server.asked[0]
    assert (asked.method, asked.path) == ("GET", "/api/v1/pods")
    assert asked.query["watch"] == "true"
    assert (asked.query["timeoutSeconds"], asked.query["labelSelector"]) == ("1", "serinus.dev/none")
    assert wired.calls == [("watch", "pods", 200)]
    wired.server.answer = says(403, CORE.replace("cannot list", "cannot watch"))
    with pytest.raises(Denied, match="may not watch pods"):
        await wired.cluster.check_watch(POD)


async def test_list_in_namespaced_mode_asks_each_namespace_and_never_the_cluster(wired: Wired) -> None:
    wired.server.answer = gives({"items": [], "metadata": {}})
    namespaced = KubernetesCluster(wired.cluster._api, lambda *_: None, ("a", "b"))
    assert await namespaced.list(POD, None, {}) == []
    assert [r.path for r in wired.server.asked] == ["/api/v1/namespaces/a/pods", "/api/v1/namespaces/b/pods"]


async def test_object_of_the_whole_cluster_is_read_without_a_namespace(wired: Wired) -> None:
    wired.server.answer = gives({"metadata": {"name": "eg"}})
    assert await wired.cluster.get(GATEWAY_CLASS, "", "eg")
    assert [r.path for r in wired.server.asked] == ["/apis/gateway.networking.k8s.io/v1/gatewayclasses/eg"]


async def test_apply_carries_manager_identity_and_version(wired: Wired) -> None:
    await wired.cluster.apply(manifest(spec={"replicas": 2}), SEEN)
    request = wired.server.asked[0]
    assert (request.method, request.path) == ("PATCH", "/apis/apps/v1/namespaces/ml/deployments/x")
    assert request.content_type == "application/apply-patch+yaml"
    assert dict(request.query) == {"fieldManager": "serinus-operator", "force": "true"}
    assert wired.server.body["metadata"] == {"namespace": "ml", "name": "x", "uid": "u1", "resourceVersion": "7"}
    assert wired.server.body["spec"] == {"replicas": 2}


async def test_status_goes_to_its_subresource_under_its_own_manager(wired: Wired) -> None:
    await wired.cluster.apply_status(manifest(MODEL_DEPLOYMENT, status={"replicas": 1}), SEEN)
    request = wired.server.asked[0]
    path = "/apis/serving.serinus.dev/v1alpha1/namespaces/ml/modeldeployments/x/status"
    assert (request.method, request.path) == ("PATCH", path)
    assert request.query["fieldManager"] == "serinus-status"
    assert wired.server.body["metadata"]["resourceVersion"] == "7"


async def test_scale_goes_to_its_subresource_with_the_version(wired: Wired) -> None:
    await wired.cluster.scale(DEPLOYMENT, "ml", "x", 3, SEEN)
    request = wired.server.asked[0]
    assert (request.method, request.path) == ("PATCH", "/apis/apps/v1/namespaces/ml/deployments/x/scale")
    assert wired.server.body == {"metadata": {"uid": "u1", "resourceVersion": "7"}, "spec": {"replicas": 3}}


async def test_delete_carries_identity_and_version(wired: Wired) -> None:
    await wired.cluster.delete(POD, "ml", "x", SEEN)
    assert wired.server.asked[0].method == "DELETE"
    assert wired.server.body["preconditions"] == {"uid": "u1", "resourceVersion": "7"}
    assert wired.server.body["propagationPolicy"] == "Background"


async def test_replace_carries_identity_and_version(wired: Wired) -> None:
    await wired.cluster.replace(manifest(), SEEN)
    assert wired.server.asked[0].method == "PUT"
    assert wired.server.body["metadata"]["resourceVersion"] == "7"


async def test_create_goes_to_the_collection(wired: Wired) -> None:
    await wired.cluster.create(manifest(CONTROLLER_REVISION, revision=1, data={"x": "y"}))
    request = wired.server.asked[0]
    assert (request.method, request.path) == ("POST", "/apis/apps/v1/namespaces/ml/controllerrevisions")
    assert wired.server.body["data"] == {"x": "y"}
    assert request.query["fieldValidation"] == "Strict", "a field that is dropped would be missed ever after"


async def test_event_is_written_by_its_name(wired: Wired) -> None:
    await wired.cluster.record_event({**manifest(), "kind": "Event", "apiVersion": "v1"})
    assert wired.server.asked[0].path == "/api/v1/namespaces/ml/events/x"


async def test_unknown_fields_of_an_answer_survive(wired: Wired) -> None:
    whole = manifest(POD, spec={"newFieldOfTheNextRelease": {"a": [1, None]}})
    wired.server.answer = gives(whole)
    assert await wired.cluster.get(POD, "ml", "x") == whole
