"""What guards a model's pods: a disruption budget, and a fence around their second port."""

from collections.abc import Mapping

from serinus_api import names
from serinus_api.runtime import HTTP_PORT, METRICS_PORT
from serinus_operator.render.meta import labels, serving_selector
from serinus_operator.state import Manifest, RenderOptions, Subject


def disruption_budget(subject: Subject) -> Manifest:
    """At most one serving pod is evicted at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": subject.name, "labels": labels(subject)},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": serving_selector(subject)}},
    }


def metrics_policy(subject: Subject, options: RenderOptions) -> Manifest:
    """Predictions are open to all; the port with metrics and load only to the operator's pods and the gateway's."""
    admitted = [options.operator_labels]
    if options.gateway_labels:
        admitted.append(options.gateway_labels)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": names.metrics_policy_name(subject.name), "labels": labels(subject)},
        "spec": {
            "podSelector": {"matchLabels": serving_selector(subject)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": HTTP_PORT, "protocol": "TCP"}]},
                {
                    "ports": [{"port": METRICS_PORT, "protocol": "TCP"}],
                    "from": [_peer(options, who) for who in admitted],
                },
            ],
        },
    }


def _peer(options: RenderOptions, pod_labels: Mapping[str, str]) -> Manifest:
    """Pods of this installation, which has a namespace of its own."""
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": options.operator_namespace}},
        "podSelector": {"matchLabels": dict(pod_labels)},
    }
