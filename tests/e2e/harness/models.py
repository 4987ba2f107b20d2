"""One ModelDeployment in a story: how it is written, and what is seen of it."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.e2e.harness import oip
from tests.e2e.harness.api import CHILDREN, Api
from tests.e2e.harness.kubectl import Kubectl, Manifest
from tests.e2e.harness.prober import DEADLINE_SECONDS, Prober
from tests.e2e.harness.waiting import wait_for

from serinus_api import names

READY_SECONDS = 90.0
SAID_SECONDS = 30.0
"""Within this a user is told what is wrong, and within this a model heals."""
RESOURCES = {"requests": {"cpu": "20m", "memory": "160Mi"}, "limits": {"memory": "512Mi"}}


def config_map(name: str, **files: bytes) -> Manifest:
    """A ConfigMap with binary files; `model_onnx=…` is the key `model.onnx`."""
    data = {key.replace("_", "."): base64.b64encode(content).decode() for key, content in files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}


def deployment(name: str, uri: str, **spec: Any) -> Manifest:
    """A ModelDeployment that costs the node little."""
    model = {"uri": uri, **spec.pop("model", {})}
    runtime = {"resources": RESOURCES, "drainSeconds": 2, "requestTimeoutSeconds": 10, **spec.pop("runtime", {})}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name, **spec.pop("metadata", {})},
        "spec": {"model": model, "runtime": runtime, **spec},
    }


@dataclass
class Model:
    """A ModelDeployment by its name, and the objects around it.

    Ready promises that its pods answer; the node's kube-proxy learns of a new Service up to a second later. Only
    the first `wait_ready` waits for that (`reached`): from then on a refused connection is a lost request.
    """

    api: Api
    kubectl: Kubectl
    namespace: str
    name: str
    folder: Path
    applied: Manifest = field(default_factory=dict)
    reached: bool = False

    def apply(self, uri: str, **spec: Any) -> None:
        """Write it as a user does."""
        self.applied = deployment(self.name, uri, **spec)
        self.kubectl.apply(self.applied)

    def apply_onnx(self, content: bytes, config: str = "", **spec: Any) -> None:
        """Write a ConfigMap with the model, and the ModelDeployment that points to it."""
        config = config or f"{self.name}-model"
        self.kubectl.apply(config_map(config, model_onnx=content))
        self.apply(f"configmap://{config}/model.onnx", **spec)

    def live(self) -> Manifest:
        found = self.api.get("modeldeployments", self.namespace, self.name)
        assert found is not None, f"ModelDeployment {self.name} is gone"
        return found

    def status(self) -> Manifest:
        status: Manifest = self.live().get("status", {})
        return status

    def conditions(self) -> dict[str, Manifest]:
        """Conditions by type that speak of the present generation."""
        live = self.live()
        generation = live["metadata"]["generation"]
        conditions = live.get("status", {}).get("conditions", ())
        return {c["type"]: c for c in conditions if c.get("observedGeneration") == generation}

    def brief(self) -> str:
        """The conditions in lines, for messages."""
        return "".join(
            f"\n    {c['type']}={c['status']} {c['reason']}: {c.get('message', '')}" for c in self.conditions().values()
        )

    def wait_for(
        self, kind: str, status: str, reason: str = "", *words: str, seconds: float = SAID_SECONDS
    ) -> Manifest:
        """The condition, once it has this status and reason and its message has all the words."""

        def look() -> Manifest | None:
            c = self.conditions().get(kind)
            fits = c and c["status"] == status and reason in ("", c["reason"]) and all(w in c["message"] for w in words)
            return c if fits else None

        what = f"{self.name}: {kind}={status} {reason} {' … '.join(words)}"
        return wait_for(look, seconds=seconds, what=what, describe=self.brief)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        self.wait_for("Ready", "True", "Ready", seconds=seconds)
        assert not {"Reconciling", "Stalled"} & set(self.conditions())
        if not self.reached:
            wait_for(lambda: oip.accepts(self.url), seconds=SAID_SECONDS, what=f"kube-proxy knows {self.url}")
            self.reached = True

    def wait_for_answer(self, outputs: Mapping[str, Any]) -> None:
        """These outputs, through the Service. kube-proxy turns to new pods a moment after the Service does."""
        wait_for(
            lambda: oip.predict(self.url, self.name) == outputs,
            seconds=SAID_SECONDS,
            what=f"{self.name} answers {outputs}",
        )

    def shown_reason(self) -> str:
        """The word that `kubectl get mdep` shows."""
        return self.kubectl.columns("mdep", self.name)["REASON"]

    @property
    def stable(self) -> str:
        revision: str = self.status()["stableRevision"]
        return revision

    @property
    def revisions(self) -> list[str]:
        return [revision["name"] for revision in self.status().get("revisions", ())]

    def labels(self) -> dict[str, str]:
        return names.deployment_labels(self.name)

    def pods(self, role: str = names.ROLE_SERVING, revision: str = "") -> list[Manifest]:
        more = {names.LABEL_REVISION: revision} if revision else {}
        return self.api.list("pods", self.namespace, {**self.labels(), names.LABEL_ROLE: role, **more})

    def incarnations(self, revision: str = "") -> set[tuple[str, int]]:
        """Serving pods that live, by UID and restarts: equal before and after means that none was restarted."""
        return {
            (pod["metadata"]["uid"], sum(c["restartCount"] for c in pod["status"].get("containerStatuses", ())))
            for pod in self.pods(revision=revision)
            if "deletionTimestamp" not in pod["metadata"]
        }

    def children(self) -> list[str]:
        """Everything that carries our labels for it: `services/iris`."""
        return [
            f"{plural}/{item['metadata']['name']}"
            for plural in CHILDREN
            for item in self.api.list(plural, self.namespace, self.labels())
        ]

    @property
    def url(self) -> str:
        """The Service's cluster address, which the host reaches."""
        service = wait_for(
            lambda: self.api.get("services", self.namespace, self.name), seconds=READY_SECONDS, what="a Service"
        )
        return f"http://{service['spec']['clusterIP']}"

    def probe(
        self,
        rate: float = 4.0,
        *,
        url: str = "",
        tensor: Mapping[str, Any] | None = None,
        deadline: float = DEADLINE_SECONDS,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Prober:
        """A prober on the Service, or on another `url`, from the host; `deadline` for each request in seconds."""
        history = self.folder / f"{self.namespace}-{self.name}-{time.time_ns():x}.jsonl"
        name = self.live()["spec"]["model"].get("name", self.name)
        more = {"tensor": dict(tensor)} if tensor else {}
        return Prober(url or self.url, name, rate=rate, history=history, deadline=deadline, headers=headers, **more)
