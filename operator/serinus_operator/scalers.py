"""Objects that size Deployments in the operator's stead: HorizontalPodAutoscalers and KEDA's ScaledObjects. I/O.

They are not watched: other people's bear no label of ours, and KEDA's kind may not exist at all. They are listed for
the namespaces of models that are scaled, twice a minute, and go into the cache, where `apply` finds ours.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from serinus_operator.cache import Cache, controller_of
from serinus_operator.cluster.errors import Denied, Missing
from serinus_operator.cluster.port import AUTOSCALER, DEPLOYMENT, SCALED_OBJECT, Cluster, Kind, Manifest
from serinus_operator.queue import Key
from serinus_operator.state import ScalerState, Subject

LOOK_SECONDS = 30.0
OWN_LOOK_SECONDS = 10.0
"""Where another controller scales, its words are ours."""


@dataclass(slots=True)
class Scalers:
    """What is known of them, by namespace."""

    cluster: Cluster
    cache: Cache
    looked: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a kind was listed last in a namespace; monotonic seconds."""

    async def look(self, subject: Subject) -> ScalerState:
        """What concerns one ModelDeployment. Nothing is read for one that has a fixed size, and always had."""
        spec, before = subject.spec.scaling, subject.status.scaling
        engines = {spec.engine if spec else "Fixed", before.engine if before else "Fixed"}
        if engines == {"Fixed"}:
            return ScalerState()
        seconds = LOOK_SECONDS if engines <= {"Builtin", "Fixed"} else OWN_LOOK_SECONDS
        missing, denied = False, None
        try:
            await self._refresh(AUTOSCALER, subject.namespace, seconds)
            if "KEDA" in engines:
                await self._refresh(SCALED_OBJECT, subject.namespace, seconds)
        except Missing:
            missing = spec is not None and spec.engine == "KEDA"
        except Denied as error:
            denied = str(error)
        return self._state(subject, missing=missing, denied=denied)

    async def _refresh(self, kind: Kind, namespace: str, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        known = self.looked.get((kind.kind, namespace))
        if known is not None and now - known < seconds:
            return
        before = {address: v for address, v in self.cache.versions(kind).items() if address[1] == namespace}
        self.cache.refresh(await self.cluster.list(kind, namespace, {}), before=before)
        self.looked[kind.kind, namespace] = now

    def _state(self, subject: Subject, *, missing: bool, denied: str | None) -> ScalerState:
        scaled, ours = self._own(subject, SCALED_OBJECT), self._own(subject, AUTOSCALER)
        own = scaled or ours
        status = own.get("status", {}) if own else {}
        return ScalerState(
            foreign=next(self._foreign(subject), None),
            present="KEDA" if scaled else "HPA" if ours else None,
            missing=missing,
            problem=_problem(status, "Ready" if scaled else "ScalingActive"),
            desired=status.get("desiredReplicas") or None,
            denied=denied,
        )

    def _own(self, subject: Subject, kind: Kind) -> Manifest | None:
        found = self.cache.children(Key(subject.namespace, subject.name), kind)
        return next((m for m in found if controller_of(m).get("uid") == subject.uid), None)

    def _foreign(self, subject: Subject) -> Iterator[str]:
        """Autoscalers of others that point to one of the revisions."""
        revisions = {revision.name for revision in subject.status.revisions}
        for key in self.cache.keys(AUTOSCALER):
            if key.namespace != subject.namespace:
                continue
            found = self.cache.get(AUTOSCALER, key.namespace, key.name)
            target = found["spec"].get("scaleTargetRef", {}) if found else {}
            if found is None or target.get("kind") != DEPLOYMENT.kind or target.get("name") not in revisions:
                continue
            owner = controller_of(found)
            keda = (owner.get("kind"), owner.get("name")) == (SCALED_OBJECT.kind, subject.name)
            if owner.get("uid") != subject.uid and not keda:
                yield f"HorizontalPodAutoscaler {key.name}"


def _problem(status: Manifest, kind: str) -> str | None:
    """What its controller says is wrong."""
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    found = conditions.get(kind)
    return str(found.get("message") or found.get("reason")) if found and found["status"] == "False" else None
