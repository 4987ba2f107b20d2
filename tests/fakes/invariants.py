"""What must hold at every moment of every story; watched from outside, and asserted when the story ends."""

from tests.fakes.cluster import FakeCluster

from serinus_api import names
from serinus_operator.cluster.port import DEPLOYMENT, POD, SERVICE, Manifest


class Invariants:
    """Looks at each change of the cluster and writes down what is wrong with it."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.broken: list[str] = []
        self._cluster = cluster
        self._specs: dict[str, Manifest] = {}
        self._selected: dict[tuple[str, str], str] = {}
        cluster.watchers.append(self._look)

    def _look(self, event: str, manifest: Manifest) -> None:
        if manifest["kind"] == names.KIND:
            self._look_at_model(event, manifest)
        elif self._cluster.acting and event == "ADDED" and manifest["kind"] not in ("Event", "Lease"):
            self._look_at_child(manifest)
        if manifest["kind"] == SERVICE.kind and names.LABEL_REVISION in manifest["spec"].get("selector", {}):
            self._look_at_entry(event, manifest)
        if manifest["kind"] == DEPLOYMENT.kind and event == "DELETED" and self._cluster.acting:
            self._look_at_removal(manifest)

    def _look_at_model(self, event: str, manifest: Manifest) -> None:
        uid, status = manifest["metadata"]["uid"], manifest.get("status", {})
        if self._cluster.acting and self._specs.get(uid) != manifest["spec"]:
            self.broken.append("the operator wrote the spec of a ModelDeployment")
        self._specs[uid] = manifest["spec"]
        types = [c["type"] for c in status.get("conditions", ())]
        if {"Reconciling", "Stalled"} <= set(types):
            self.broken.append("Reconciling and Stalled at the same time")
        if len(types) != len(set(types)):
            self.broken.append(f"a condition twice: {types}")
        if status.get("observedGeneration", 0) > manifest["metadata"]["generation"]:
            self.broken.append("observedGeneration is ahead of the generation")
        if "deletionTimestamp" in manifest["metadata"] and self._cluster.acting:
            self.broken.append("the operator wrote to a ModelDeployment that is being deleted")

    def _look_at_child(self, manifest: Manifest) -> None:
        meta = manifest["metadata"]
        what = f"{manifest['kind']} {meta['name']}"
        if len(meta["name"]) > names.MAX_NAME:
            self.broken.append(f"{what}: the name is too long")
        owners = meta.get("ownerReferences", ())
        if [owner.get("controller") for owner in owners] != [True]:
            self.broken.append(f"{what} was made without a controlling owner")
            return
        owner = next((m for m in self._cluster.objects.values() if m["metadata"]["uid"] == owners[0]["uid"]), None)
        if owner and "deletionTimestamp" in owner["metadata"]:
            self.broken.append(f"{what} was made for an owner that is being deleted")

    def _look_at_entry(self, event: str, manifest: Manifest) -> None:
        meta = manifest["metadata"]
        if names.LABEL_REVISION in meta.get("labels", {}):
            return
        key = (meta["namespace"], meta["name"])
        before, now = self._selected.get(key), manifest["spec"]["selector"][names.LABEL_REVISION]
        if event == "DELETED":
            self._selected.pop(key, None)
            return
        self._selected[key] = now
        moved = before not in (None, now) and self._cluster.acting
        if moved and before and self._ready(before) and not self._ready(now):
            self.broken.append(f"traffic went from {before}, which answers, to {now}, which does not")

    def _look_at_removal(self, manifest: Manifest) -> None:
        """A Service that gateways stand in for selects no pod; whether they hold what comes, `plane.py` sees."""
        meta = manifest["metadata"]
        for (namespace, name), revision in self._selected.items():
            service = self._cluster.objects.get((SERVICE.kind, namespace, name))
            if service and names.LABEL_PROXIED in service["spec"]["selector"]:
                continue
            if (namespace, revision) == (meta["namespace"], meta["name"]) and self._ready(revision):
                self.broken.append(f"Deployment {revision} was removed while the entry Service leads to it")

    def _ready(self, revision: str) -> int:
        pods = self._cluster.of(POD, **{names.LABEL_REVISION: revision, names.LABEL_ROLE: names.ROLE_SERVING})
        conditions = [c for pod in pods for c in pod.get("status", {}).get("conditions", ())]
        return sum(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
