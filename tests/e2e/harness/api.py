"""Reading (and a little writing) over HTTP through `kubectl proxy`: cheap enough to poll, with any kubeconfig."""

import http.client
import json
import subprocess
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from serinus_api import names

Manifest = dict[str, Any]
GROUPS = {
    "modeldeployments": f"apis/{names.API_VERSION}",
    "deployments": "apis/apps/v1",
    "replicasets": "apis/apps/v1",
    "controllerrevisions": "apis/apps/v1",
    "poddisruptionbudgets": "apis/policy/v1",
    "networkpolicies": "apis/networking.k8s.io/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "endpointslices": "apis/discovery.k8s.io/v1",
    "clusterroles": "apis/rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "apis/rbac.authorization.k8s.io/v1",
    "roles": "apis/rbac.authorization.k8s.io/v1",
    "apiservices": "apis/apiregistration.k8s.io/v1",
    "customresourcedefinitions": "apis/apiextensions.k8s.io/v1",
    "httproutes": "apis/gateway.networking.k8s.io/v1",
    "gateways": "apis/gateway.networking.k8s.io/v1",
}
CHILDREN = (
    "deployments",
    "replicasets",
    "controllerrevisions",
    "services",
    "pods",
    "configmaps",
    "poddisruptionbudgets",
    "networkpolicies",
)
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class ApiError(AssertionError):
    """The API server refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


def path_of(plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """The path of a kind, a namespace's list or one object."""
    root = f"/{GROUPS.get(plural, 'api/v1')}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{plural}" + (f"/{name}" if name else "")


class Api:
    """One `kubectl proxy` and the requests through it. Safe for many threads. Close it."""

    def __init__(self, kubectl: Path, kubeconfig: Path) -> None:
        command = [str(kubectl), f"--kubeconfig={kubeconfig}", "proxy", "--port=0"]
        self._proxy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._proxy.stdout is not None
        line = self._proxy.stdout.readline()
        assert "Starting to serve on" in line, line
        self.port = int(line.rsplit(":", 1)[1])

    def close(self) -> None:
        self._proxy.terminate()
        self._proxy.wait()
        if self._proxy.stdout:
            self._proxy.stdout.close()

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Manifest:
        """One request on a connection of its own; ApiError for anything but a success."""
        sent = None if body is None else json.dumps(body)
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, sent, {"Content-Type": content_type, "Connection": "close"})
            response = connection.getresponse()
            content = response.read()
        parsed: Manifest = json.loads(content) if content.startswith(b"{") else {"message": content.decode()}
        if response.status >= 400:
            raise ApiError(response.status, parsed.get("message", ""))
        return parsed

    def get(self, plural: str, namespace: str | None, name: str) -> Manifest | None:
        """The live object, None where there is none."""
        try:
            return self.request("GET", path_of(plural, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def read(self, plural: str, namespace: str | None, name: str) -> Manifest:
        """The live object, which must be there."""
        found = self.get(plural, namespace, name)
        assert found is not None, f"{plural} {name} is not there"
        return found

    def list(
        self, plural: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        selector = "%2C".join(f"{key.replace('/', '%2F')}%3D{value}" for key, value in (labels or {}).items())
        query = f"?labelSelector={selector}" if selector else ""
        items: list[Manifest] = self.request("GET", path_of(plural, namespace) + query)["items"]
        return items

    def patch(self, plural: str, namespace: str | None, name: str, body: Any, content_type: str = MERGE) -> Manifest:
        return self.request("PATCH", path_of(plural, namespace, name), body, content_type)

    def watch(self, plural: str, labels: str, resource_version: str) -> Generator[Manifest, None, None]:
        """Events of one kind in all namespaces, until the server ends the watch. On a connection of its own."""
        query = f"?watch=1&timeoutSeconds=60&labelSelector={labels}&resourceVersion={resource_version}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=70)) as connection:
            connection.request("GET", path_of(plural) + query)
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise http.client.HTTPException(f"watch of {plural}: HTTP {answer.status}")  # the CRD is not there yet
            for line in answer:
                yield json.loads(line)
