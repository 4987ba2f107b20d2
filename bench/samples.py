"""The models that an operator is measured with. Nobody loads them: the harness plays the pods."""

import base64
import hashlib

from bench.kube import Manifest
from serinus_api import names

IMAGE = "serinus-runtime:bench"
MODEL = bytes(range(256)) * 4
"""As large as a small classifier."""
DIGEST = f"sha256:{hashlib.sha256(MODEL).hexdigest()}"


def config_map(name: str) -> Manifest:
    """The ConfigMap that a model lies in."""
    return {"metadata": {"name": name}, "binaryData": {"model.onnx": base64.b64encode(MODEL).decode()}}


def model_deployment(name: str) -> Manifest:
    """A model as users write it: a source and limits."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {
            "model": {"uri": f"configmap://{name}/model.onnx"},
            "runtime": {
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "1", "memory": "256Mi"},
                }
            },
        },
    }
