"""Envoy Gateway without a cluster: it reads objects from a file, and runs an Envoy on this machine.

It knows no EndpointSlices then, so the Services that a route names become its own kind `Backend`, each at a port here.
All else of a route is as the operator renders it, and is checked and given its defaults as by an API server.
"""

import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import envoy
import yaml
from dev.cluster.paths import default_layout
from dev.envoy_gateway import module
from tests.e2e.harness.envoy_gateway import CONTROLLER, GATEWAY_API
from tests.e2e.harness.kubectl import Manifest, run
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.waiting import wait_for

from serinus_api.runtime import HEADER_VIA

ENVOY_VERSION = "1.40.0"
"""Of the wheel, and the folder under which Envoy Gateway looks for it."""
EXTENSIONS = "gateway.envoyproxy.io/v1alpha1"
READY_SECONDS = 60.0


def program() -> Path:
    """Envoy Gateway, as it was built for the cluster's tests."""
    found = module.folder(default_layout().cache) / module.PROGRAM.name
    if not found.exists():
        lacking("Envoy Gateway is not built (make envoy-gateway)")
    return found


@contextmanager
def backend(name: str) -> Iterator[int]:
    """A server that answers with its name and the mark of the request; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece: two wait for each other's acknowledgement

        def do_GET(self) -> None:
            body = json.dumps([name, self.headers.get(HEADER_VIA, "direct")]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Standalone:
    """One Envoy Gateway with one Gateway, and backends for the Services that routes name."""

    def __init__(self, folder: Path, services: Iterable[str]) -> None:
        self._folder, self._services = folder, tuple(services)
        self._stack = ExitStack()
        self.port = free_port()

    def __enter__(self) -> "Standalone":
        self._ports = {name: self._stack.enter_context(backend(name)) for name in self._services}
        objects, home, found = self._folder / "objects", self._folder / "home", program()
        binaries = home / "data" / "envoy-versions" / ENVOY_VERSION / "bin"
        for made in (objects, binaries):
            made.mkdir(parents=True)
        shutil.copy(Path(envoy.__file__).parent / "_bin" / "envoy", binaries / "envoy")
        run(found, "certgen", "--local", "--config-home", home / "config")
        configuration = self._folder / "configuration.yaml"
        configuration.write_text(yaml.safe_dump(configuration_of(objects, home)))
        log = self._stack.enter_context((self._folder / "envoy-gateway.log").open("w"))
        command = [str(found), "server", "--config-path", str(configuration)]
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._stack.close()

    def apply(self, route: Manifest) -> None:
        """These rules in the place of all before; returns when requests for its first host go by them."""
        (host, *_) = route["spec"]["hostnames"]
        documents = [*self._infrastructure(route), with_backends(route)]
        written = self._folder / "objects.yaml"
        written.write_text(yaml.safe_dump_all(documents))
        os.replace(written, self._folder / "objects" / "all.yaml")
        wait_for(
            lambda: self._answers(host),
            seconds=READY_SECONDS,
            what=f"requests for {host} are answered",
            describe=lambda: (self._folder / "envoy-gateway.log").read_text()[-4000:],
        )

    def ask(self, host: str, count: int, headers: Mapping[str, str] = MappingProxyType({})) -> Counter[tuple[str, str]]:
        """So many requests on one connection: who answered, and how they were marked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        seen: Counter[tuple[str, str]] = Counter()
        try:
            for _ in range(count):
                connection.request("GET", "/v2", headers={"Host": host, **headers})
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == 200, (answer.status, body)
                name, via = json.loads(body)
                seen[name, via] += 1
        finally:
            connection.close()
        return seen

    def said(self) -> str:
        """What it wrote of the state of objects."""
        return (self._folder / "envoy-gateway.log").read_text()

    def _answers(self, host: str) -> bool:
        assert self._process.poll() is None, "Envoy Gateway has ended"
        try:
            self.ask(host, 1)
        except (AssertionError, OSError, http.client.HTTPException):
            return False
        return True

    def _infrastructure(self, route: Manifest) -> Iterator[Manifest]:
        (parent,) = route["spec"]["parentRefs"]
        spec: Manifest = {"controllerName": CONTROLLER}
        yield {"apiVersion": GATEWAY_API, "kind": "GatewayClass", "metadata": {"name": "here"}, "spec": spec}
        meta = {"name": parent["name"], "namespace": parent["namespace"]}
        admits = {"namespaces": {"from": "All"}}
        listener = {"name": "web", "port": self.port, "protocol": "HTTP", "allowedRoutes": admits}
        spec = {"gatewayClassName": "here", "listeners": [listener]}
        yield {"apiVersion": GATEWAY_API, "kind": "Gateway", "metadata": meta, "spec": spec}
        for name, port in self._ports.items():
            meta = {"name": name, "namespace": route["metadata"]["namespace"]}
            spec = {"endpoints": [{"ip": {"address": "127.0.0.1", "port": port}}]}
            yield {"apiVersion": EXTENSIONS, "kind": "Backend", "metadata": meta, "spec": spec}


def with_backends(route: Manifest) -> Manifest:
    """The route with the kind that this Envoy Gateway knows in the place of Services."""
    group = EXTENSIONS.partition("/")[0]

    def changed(ref: Manifest) -> Manifest:
        return {**{k: v for k, v in ref.items() if k != "port"}, "group": group, "kind": "Backend"}

    rules = [{**rule, "backendRefs": [changed(ref) for ref in rule["backendRefs"]]} for rule in route["spec"]["rules"]]
    return {**route, "spec": {**route["spec"], "rules": rules}}


def configuration_of(objects: Path, home: Path) -> Manifest:
    """Objects from a folder, proxies on this machine, everything else below `home`."""
    folders = {f"{name}Home": str(home / name) for name in ("config", "data", "state")}
    host = {**folders, "runtimeDir": str(home / "run")}
    custom = {
        "resource": {"type": "File", "file": {"paths": [str(objects)]}},
        "infrastructure": {"type": "Host", "host": host},
    }
    return {
        "apiVersion": EXTENSIONS,
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": CONTROLLER},
        "provider": {"type": "Custom", "custom": custom},
        "envoyProxy": {"provider": {"type": "Host", "host": {"envoyVersion": ENVOY_VERSION}}},
        "extensionApis": {"enableBackend": True},
    }


def free_port() -> int:
    """One that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
