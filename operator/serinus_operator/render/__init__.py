"""What the children look like: `render(subject, decision, observation, options) → manifests`. Pure and deterministic.

The order is that in which they are applied: what others need comes first. A revision's own objects are made from its
record, so the one place that builds a pod template is `workload.pod_template`, called once per revision.
"""

from serinus_api import names
from serinus_operator.render.network import entry_service, gateway_slices, revision_service
from serinus_operator.render.policy import disruption_budget, metrics_policy
from serinus_operator.render.preflight import preflight_pod
from serinus_operator.render.record import model_copy, record_manifest
from serinus_operator.render.scaler import scaler
from serinus_operator.render.workload import deployment
from serinus_operator.state import Decision, Manifest, Observation, RenderOptions, RevisionRecord, Subject

__all__ = ["render"]


def render(
    subject: Subject, decision: Decision, observation: Observation, options: RenderOptions
) -> tuple[Manifest, ...]:
    """All children that should exist for this decision, but for the copy of a ConfigMap model (`model_copy`)."""
    manifests: list[Manifest] = []
    records: dict[str, RevisionRecord] = dict(observation.records)
    if decision.record:
        manifests.append(record_manifest(subject, decision.record, options))
    if decision.copy and (record := records.get(decision.copy.revision)):
        manifests.append(model_copy(subject, decision.copy, record))
    if decision.preflight:
        manifests.append(preflight_pod(subject, decision.preflight, options))
    for revision in decision.running:
        if revision in records:
            manifests += [
                deployment(subject, records[revision], decision.size_of(revision)),
                revision_service(subject, revision),
            ]
    if decision.traffic.port:
        manifests += gateway_slices(subject, decision.traffic)
    if decision.entry:
        manifests.append(entry_service(subject, decision.entry, proxied=decision.traffic.proxied))
    if decision.running:
        manifests += [disruption_budget(subject), metrics_policy(subject, options)]
    stable, rollout = decision.status.stable_revision, decision.status.rollout
    known = stable in decision.running and not observation.scalers.missing
    known = known and (rollout is None or rollout.phase.ended)  # it would size one of two, against the shares
    if stable and known and (engine := scaler(subject, stable)):
        manifests.append(engine)
    return tuple({**m, "metadata": {**owned(subject), **m["metadata"]}} for m in manifests)


def owned(subject: Subject) -> Manifest:
    """Metadata that makes an object a child: the namespace and the owner. A manifest's own owner goes before it."""
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": subject.name,
        "uid": subject.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {"namespace": subject.namespace, "ownerReferences": [owner]}
