"""The bodies that the bare operator sends: what ours renders for one example, kept as text with gaps for names.

Made once, when the bare operator starts; afterwards there is only text replacement. So both send the same objects.
"""

import datetime as dt
import json
from collections.abc import Mapping

from bench.kube import Manifest
from bench.samples import DIGEST, IMAGE, MODEL, model_deployment
from serinus_api import names
from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import ModelDeploymentStatus, RevisionModel, RevisionState, RevisionStatus, spec_hash
from serinus_operator.observe import read_subject
from serinus_operator.render import render
from serinus_operator.render.record import read_record, record_manifest
from serinus_operator.report.conditions import build_conditions
from serinus_operator.report.events import EventBook
from serinus_operator.report.status import build_status
from serinus_operator.report.write import status_manifest
from serinus_operator.state import (
    Copy,
    Decision,
    Finding,
    Health,
    Instant,
    Memory,
    Observation,
    PreflightIntent,
    RecordIntent,
    RenderOptions,
    RevisionRecord,
    Subject,
    Verdict,
    WorkloadState,
)

NAME, UID, RECORD_UID, NAMESPACE, STEP = "zz-name-zz", "zz-uid-zz", "zz-record-zz", "zz-namespace-zz", "zz-step-zz"
"""The gaps."""


def templates() -> dict[str, str]:
    """JSON texts by kind; `EntryService` is the entry, `Status` the last status write, `Progress` those before."""
    subject = read_subject(_example())
    intent = _record_intent(subject)
    options = RenderOptions()
    described = record_manifest(subject, intent, options)
    record = read_record({**described, "metadata": {**described["metadata"], "uid": RECORD_UID}})
    decision, observation = _settled(subject, intent), _observation(record)
    now = Instant(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 0.0)
    found = {_word(m): m for m in render(subject, decision, observation, options)}
    found["Status"] = status_manifest(subject, build_status(subject, observation, decision, now))
    found["Progress"] = _not_ready(found["Status"])
    condition = build_conditions(subject, observation, decision, now)[0]
    event = EventBook().event(subject, condition, now)
    found["Event"] = {**event, "metadata": {**event["metadata"], "name": f"{NAME}.{STEP}"}}
    return {word: json.dumps(manifest) for word, manifest in found.items()}


def filled(template: str, gaps: Mapping[str, str]) -> Manifest:
    """A body with its names."""
    for gap, value in gaps.items():
        template = template.replace(gap, value)
    body: Manifest = json.loads(template)
    return body


def _not_ready(status: Manifest) -> Manifest:
    """The same status before the model is Ready."""
    conditions = [
        {**c, "status": "Unknown"} if c["type"] == ConditionType.READY else c for c in status["status"]["conditions"]
    ]
    return {**status, "status": {**status["status"], "conditions": conditions}}


def _word(manifest: Manifest) -> str:
    entry = manifest["kind"] == "Service" and manifest["metadata"]["name"] == NAME
    return "EntryService" if entry else str(manifest["kind"])


def _example() -> Manifest:
    manifest = model_deployment(NAME)
    meta = {"name": NAME, "namespace": NAMESPACE, "uid": UID, "generation": 1, "resourceVersion": "1"}
    return {**manifest, "metadata": meta}


def _record_intent(subject: Subject) -> RecordIntent:
    return RecordIntent(
        name=f"{NAME}-00000000",
        number=1,
        spec_hash=spec_hash(subject.spec),
        digest=DIGEST,
        image=IMAGE,
    )


def _observation(record: RevisionRecord) -> Observation:
    workload = WorkloadState(uid=UID, replicas=1, ready=1, updated=True, problem=None)
    return Observation(
        records={record.name: record},
        workloads={record.name: workload},
        preflight=None,
        entry_revision=record.name,
        source=None,
    )


def _settled(subject: Subject, intent: RecordIntent) -> Decision:
    """Everything at once: record, copy, preflight pod, workload, and a status that says Ready."""
    found = Finding("True", Verdict(Reason.RESOLVED, f"{subject.spec.model.uri} is {intent.digest}"))
    passed = Finding("True", Verdict(Reason.PASSED, "the model loads and answers within its limits"))
    revision = RevisionStatus(
        name=intent.name,
        model=RevisionModel(uri=subject.spec.model.uri, digest=intent.digest),
        state=RevisionState.STABLE,
        replicas=1,
        ready_replicas=1,
        created_at="2026-01-01T00:00:00Z",
    )
    return Decision(
        status=ModelDeploymentStatus(stable_revision=intent.name, revisions=(revision,)),
        memory=Memory(),
        health=Health.SETTLED,
        verdict=Verdict(Reason.READY, f"{intent.name} serves with 1 replica, step {STEP}"),
        findings={ConditionType.MODEL_RESOLVED: found, ConditionType.MODEL_VALIDATED: passed},
        running=(intent.name,),
        entry=intent.name,
        record=intent,
        copy=Copy(intent.name, "model.onnx", MODEL),
        preflight=PreflightIntent(
            names.preflight_name(NAME, intent.spec_hash, 1), intent.name, intent.image, intent.digest
        ),
        keep_records=frozenset({intent.name}),
    )
