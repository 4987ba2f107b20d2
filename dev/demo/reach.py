"""How this machine reaches the model's Service: directly where there is a route, else through `kubectl proxy`.

`make cluster` sets routes to service addresses. On a cluster of somebody else the API server passes requests on to the
Service; that is slower, and the same for the client but for the address.
"""

import contextlib
import select
import subprocess
from collections.abc import Iterator

from dev.demo.narration import DemoError
from dev.demo.shell import Shell

PROXY_SECONDS = 10.0


@contextlib.contextmanager
def service_address(shell: Shell, namespace: str, name: str, *, direct: bool) -> Iterator[str]:
    """The address of a Service as this machine sees it: `10.96.7.7`, or `127.0.0.1:44321/api/v1/…/proxy`."""
    if direct:
        service = shell.read("service", name, "-n", namespace)
        yield str(service["spec"]["clusterIP"])
        return
    with subprocess.Popen(
        ["kubectl", "proxy", "--port=0"], env=shell.environment, stdout=subprocess.PIPE, text=True
    ) as proxy:
        try:
            yield f"{_announced(proxy)}/api/v1/namespaces/{namespace}/services/{name}:http/proxy"
        finally:
            proxy.terminate()


def _announced(proxy: subprocess.Popen[str]) -> str:
    """The address from `Starting to serve on 127.0.0.1:44321`."""
    assert proxy.stdout is not None
    readable, _, _ = select.select([proxy.stdout], [], [], PROXY_SECONDS)
    line = proxy.stdout.readline() if readable else ""
    if not line.startswith("Starting to serve on "):
        raise DemoError(f"kubectl proxy did not start: {line.strip()}")
    return line.split()[-1]
