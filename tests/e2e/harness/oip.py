"""A user's client: the public Open Inference Protocol client on the host, and a pod that speaks plain HTTP."""

import http.client
import json
import socket
import urllib.parse
import urllib.request
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy
import tritonclient.http as oip
from tests.e2e.harness.api import Api
from tests.e2e.harness.kubectl import Kubectl, Manifest
from tests.e2e.harness.waiting import wait_for

ROW = (1.0, 2.0, 3.0, 4.0)


def predict(url: str, model: str, row: tuple[float, ...] = ROW, tensor: str = "x") -> Any:
    """All outputs by name, from the client that Triton's and KServe's users know.

    Its requests may reach different pods, also ones that drain: each of them must hear the truth and get its answer.
    """
    with oip.InferenceServerClient(url.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_model_ready(model)
        entry = oip.InferInput(tensor, [1, len(row)], "FP32")
        entry.set_data_from_numpy(numpy.array([row], dtype=numpy.float32), binary_data=False)
        answer = client.infer(model, [entry], request_id="by-hand")
        told = answer.get_response()
        assert told["id"] == "by-hand"
        return {output["name"]: answer.as_numpy(output["name"]).tolist() for output in told["outputs"]}


def infer_once(
    url: str, model: str, seconds: float = 30, headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, Any]:
    """Status and answer of one inference: one connection, one POST, never sent again.

    The answer is None where there are no words, as from a gateway that has no route.
    """
    address = urllib.parse.urlsplit(url)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=seconds)
    entry = {"name": "x", "datatype": "FP32", "shape": [1, len(ROW)], "data": list(ROW)}
    try:
        connection.request("POST", f"/v2/models/{model}/infer", json.dumps({"inputs": [entry]}), dict(headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def accepts(url: str) -> bool:
    """Whether anything takes a connection there."""
    address = urllib.parse.urlsplit(url)
    assert address.hostname
    try:
        socket.create_connection((address.hostname, address.port or 80), timeout=5).close()
    except (ConnectionRefusedError, TimeoutError):
        return False
    return True


def get_json(url: str) -> Manifest:
    with urllib.request.urlopen(url, timeout=10) as response:
        parsed: Manifest = json.loads(response.read())
    return parsed


def python_pod(name: str, image: str, *arguments: str, config: str = "") -> Manifest:
    """A restricted pod that runs Python of the runtime's image once; `config` is a ConfigMap mounted at /code."""
    volumes = [{"name": "code", "configMap": {"name": config}}] if config else []
    mounts = [{"name": "code", "mountPath": "/code", "readOnly": True}] if config else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": restricted(),
            "volumes": volumes,
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": ["python3", *arguments],
                    "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
                    "volumeMounts": mounts,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def restricted() -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def run_pod(api: Api, kubectl: Kubectl, pod: Manifest, seconds: float = 60) -> str:
    """Run it to its end; what it printed."""
    name = pod["metadata"]["name"]
    kubectl.apply(pod)

    def ended() -> str | None:
        live = api.get("pods", kubectl.namespace, name)
        phase: str = (live or {}).get("status", {}).get("phase", "")
        return phase if phase in ("Succeeded", "Failed") else None

    phase = wait_for(ended, seconds=seconds, what=f"pod {name} ends", describe=lambda: kubectl("describe", "pod", name))
    words = kubectl("logs", name)
    assert phase == "Succeeded", words
    return words
