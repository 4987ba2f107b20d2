"""Services: one entry for the users, one per revision."""

from serinus_api import names
from serinus_operator.render.meta import labels, serving_selector
from serinus_operator.state import Manifest, Subject

ENTRY_PORT = 80


def entry_service(subject: Subject, revision: str) -> Manifest:
    """The address of the model: selects the pods of the revision that takes the traffic."""
    return _service(subject, subject.name, revision)


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
                    "appProtocol": "http",
                }
            ],
        },
    }
