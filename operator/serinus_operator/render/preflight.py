"""The throw-away pod that tries a model before any serving pod sees it."""

from serinus_api import names
from serinus_operator.render.workload import pod_metadata, preflight_spec
from serinus_operator.state import Manifest, PreflightIntent, RenderOptions, Subject


def preflight_pod(subject: Subject, intent: PreflightIntent, options: RenderOptions) -> Manifest:
    """One attempt; `intent.revision` names the copy that it reads where the model is a ConfigMap's."""
    meta = pod_metadata(subject, None, names.ROLE_PREFLIGHT)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": intent.name, **meta},
        "spec": preflight_spec(subject, intent, options),
    }
