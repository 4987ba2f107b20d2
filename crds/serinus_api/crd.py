"""The CustomResourceDefinition of `ModelDeployment`, made from the pydantic models.

Called by `generate.py` (the file in `crds/` and the chart's copy) and by `admission.py` (which judges by it). Pure.
"""

from functools import cache
from typing import Any

from serinus_api import names
from serinus_api.structural import Schema, structural_schema, without_defaults
from serinus_api.v1alpha1 import ModelDeployment

CRD_NAME = f"{names.PLURAL}.{names.GROUP}"

API_VERSION_TEXT = (
    "Version of this representation of the object. More: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
)
KIND_TEXT = (
    "Kind of the object. More: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
)


def _condition(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


COLUMNS: tuple[tuple[str, str, str, int, str], ...] = (
    ("Ready", "string", _condition("status"), 0, "Whether the current spec is fully rolled out and serving"),
    ("Revision", "string", ".status.stableRevision", 0, "The revision that takes the traffic"),
    ("Weight", "string", ".status.summary.weight", 0, "Share of the traffic, stable and canary"),
    ("Replicas", "string", ".status.summary.replicas", 0, "Pods ready of pods wanted"),
    ("State", "string", ".status.scaling.state", 0, "Awake, Asleep or Waking"),
    ("Reason", "string", _condition("reason"), 0, "Why it is ready or not, in one word"),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Time since it was made"),
    ("URL", "string", ".status.url", 1, "Address inside the cluster"),
    ("Digest", "string", ".status.summary.digest", 1, "First digits of the digest that is served"),
    ("Engine", "string", ".status.summary.engine", 1, "Who sizes the model"),
    ("Since", "date", ".status.scaling.since", 1, "Time since it is in this state; models that are scaled alone"),
    (
        "Last-Request",
        "date",
        ".status.scaling.lastRequestTime",
        1,
        "Time since the last request, as of the last change",
    ),
)
"""Name, type, JSONPath, priority (1: only in `-o wide`) and description of the columns of `kubectl get`."""


UNSEEN = {"observedGeneration": 0}
"""The status of an object that the operator has not seen yet. Without any, kstatus and so Helm and Flux would take the
object for done as soon as it is there."""


@cache
def object_schema() -> Schema:
    """The structural schema of a whole ModelDeployment. Shared: do not change it."""
    schema = structural_schema(ModelDeployment)
    spec, status = schema["properties"]["spec"], schema["properties"]["status"]
    return {
        "type": "object",
        "description": schema["description"],
        "properties": {
            "apiVersion": {"type": "string", "description": API_VERSION_TEXT},
            "kind": {"type": "string", "description": KIND_TEXT},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": {**without_defaults(status), "default": dict(UNSEEN)},
        },
        "required": ["spec"],
        "x-kubernetes-validations": schema["x-kubernetes-validations"],
    }


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition as a plain document."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": object_schema()},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
                }
            ],
        },
    }


def _column(name: str, kind: str, path: str, priority: int, description: str) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": priority} if priority else column
