"""Services: one entry for the users, one per revision; and what leads the entry to the gateways."""

import ipaddress
from collections.abc import Iterator

from serinus_api import names
from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER, SLICE_MANAGER
from serinus_operator.places import Traffic
from serinus_operator.render.meta import labels, serving_selector
from serinus_operator.state import Manifest, Subject

ENTRY_PORT = 80
APP_PROTOCOL = "http"
MOST_ENDPOINTS = 100
"""In one EndpointSlice."""


def entry_service(subject: Subject, revision: str, *, proxied: bool = False) -> Manifest:
    """The address of the model: selects the pods of the revision that takes the traffic.

    `proxied`: it selects none, by a label that no pod bears. The selector itself stays: without one, the slices of
    before would stay too, with the pods in them.
    """
    service = _service(subject, subject.name, revision)
    if proxied:
        service["spec"]["selector"][names.LABEL_PROXIED] = "true"
    return service


def gateway_slices(subject: Subject, traffic: Traffic) -> Iterator[Manifest]:
    """What stands beside the pods behind the entry Service: the gateways, at the model's own port. One per family."""
    found: dict[str, list[str]] = {}
    for address in (address for pod in traffic.gateways or () for address in pod.addresses):
        found.setdefault(f"IPv{ipaddress.ip_address(address).version}", []).append(address)
    for family, addresses in sorted(found.items()):
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": names.gateway_slice_name(subject.name, family),
                "labels": {
                    **labels(subject),
                    LABEL_SERVICE_NAME: subject.name,
                    LABEL_SLICE_MANAGER: SLICE_MANAGER,
                },
            },
            "addressType": family,
            "endpoints": [
                {"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}
                for address in sorted(addresses)[:MOST_ENDPOINTS]
            ],
            "ports": [{"name": names.PORT_HTTP, "port": traffic.port, "protocol": "TCP", "appProtocol": APP_PROTOCOL}],
        }


def revision_service(subject: Subject, revision: str) -> Manifest:
    """The address of one revision."""
    return _service(subject, revision, revision)


def _service(subject: Subject, name: str, revision: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels(subject, revision=None if name == subject.name else revision)},
        "spec": {
            "type": "ClusterIP",
            "selector": serving_selector(subject, revision),
            "ports": [
                {
                    "name": names.PORT_HTTP,
                    "port": ENTRY_PORT,
                    "protocol": "TCP",
                    "targetPort": names.PORT_HTTP,
                    "appProtocol": APP_PROTOCOL,
                }
            ],
        },
    }
