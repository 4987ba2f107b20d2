"""Which pods stand behind a Service, as EndpointSlices tell it in a cluster."""

from collections.abc import Callable
from dataclasses import dataclass

from serinus_api import names
from serinus_operator.cluster.port import POD, SERVICE
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.local.addresses import Place
from serinus_operator.local.workloads import is_ready
from serinus_operator.state import Manifest


@dataclass(frozen=True, slots=True)
class Backend:
    """A pod that takes requests."""

    host: str
    port: int
    revision: str
    pod: str


class Backends:
    """Answers are kept until a Pod or a Service changes."""

    def __init__(self, cluster: ProcessCluster, place: Callable[[Manifest], Place | None]) -> None:
        self._cluster = cluster
        self._place = place
        self._known: dict[tuple[str, str], tuple[Backend, ...]] = {}
        cluster.watch(self._observe)

    def of(self, namespace: str, service: str) -> tuple[Backend, ...]:
        """Ready, not terminating pods that the Service selects, by name; none where it does not exist."""
        key = (namespace, service)
        if key not in self._known:
            self._known[key] = tuple(self._find(namespace, service))
        return self._known[key]

    def _find(self, namespace: str, service: str) -> list[Backend]:
        found = self._cluster.find(SERVICE, namespace, service)
        selector = found["spec"].get("selector") if found else None
        if not selector:
            return []
        backends = []
        for pod in self._cluster.select(POD, namespace, selector):
            meta, place = pod["metadata"], self._place(pod)
            if place and is_ready(pod) and "deletionTimestamp" not in meta:
                revision = meta["labels"].get(names.LABEL_REVISION, "")
                backends.append(Backend(place.host, place.http_port, revision, meta["name"]))
        return backends

    def _observe(self, _: str, manifest: Manifest) -> None:
        if manifest["kind"] in (POD.kind, SERVICE.kind):
            self._known.clear()
