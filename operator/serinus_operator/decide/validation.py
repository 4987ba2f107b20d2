"""What a preflight pod is asked to show by `spec.validation`, and whether that is still the same. Pure.

Everything that is asked for has one key: the fields and the digest of the golden requests. The status keeps the key of
the attempt under way and of each refusal; another key is another question, so the preflight begins anew:

    spec.validation or the golden ConfigMap changes        what follows
    ─────────────────────────────────────────────────────  ────────────────────────────────────────
    while a preflight pod runs                             another pod; what the first says is not heard
    after the verdict, before the revision is promoted     nothing: the revision has passed what was asked
    after a refusal for what was asked                     the spec is tried again
    with the revision in service                           nothing: the next revision is asked
"""

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serinus_api.conditions import Reason, reason_of
from serinus_api.golden import golden_digest
from serinus_api.runtime import Validation
from serinus_api.v1alpha1 import RejectedSpec, ResolutionPhase, ValidationSpec, spec_hash
from serinus_operator.decide.refresh import serves_on
from serinus_operator.quantity import amount
from serinus_operator.state import Observation, RevisionRecord, SourceState, Subject, Verdict

ASKED_REASONS = frozenset(
    {Reason.OUT_OF_MEMORY, Reason.GOLDEN_MISMATCH, Reason.TOO_SLOW, Reason.SIGNATURE_CHANGED},
)
"""Verdicts of a preflight that rest on what was asked, so that asking for something else may give another."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the present spec asks for. Exactly one of `validation` and `missing` is set, or none: nothing is asked."""

    validation: Validation | None = None
    missing: Verdict | None = None
    """Why the golden requests are not known."""

    @property
    def key(self) -> str | None:
        """Names what is asked for."""
        return self.validation.key if self.validation else None


def asked_of(subject: Subject, golden: SourceState | None) -> Asked:
    """What a preflight pod of the present spec has to show, with the golden requests that were read."""
    spec = subject.spec.validation
    fields = _fields(spec) if spec else {}
    if spec is None or not fields:
        return Asked()
    name = golden_name(subject)
    if name and (golden is None or golden.digest is None):
        unread = Verdict(Reason.GOLDEN_UNAVAILABLE, f"ConfigMap {name} with the golden requests was not read yet")
        return Asked(missing=(golden.problem if golden else None) or unread)
    digest = golden.digest if name and golden else None
    canonical = json.dumps({"asked": fields, "golden": digest}, sort_keys=True, separators=(",", ":"))
    memory = amount(spec.max_memory)
    return Asked(
        Validation(
            key=hashlib.sha256(canonical.encode()).hexdigest(),
            golden_name=name,
            golden_digest=digest,
            max_latency_p95_milliseconds=spec.max_latency_p95_milliseconds,
            max_memory_bytes=None if memory is None else math.floor(memory),
        )
    )


def asks_otherwise(rejection: RejectedSpec, subject: Subject, observation: Observation) -> bool:
    """Whether a spec that was refused for what was asked of it is asked for something else now."""
    if rejection.revision or reason_of(rejection.reason) not in ASKED_REASONS:
        return False
    asked = asked_of(subject, observation.golden)
    return asked.missing is None and asked.key != rejection.validation


def golden_name(subject: Subject) -> str | None:
    """The ConfigMap with the golden requests."""
    spec = subject.spec.validation
    return spec.golden.config_map_ref.name if spec and spec.golden else None


def golden_state(manifest: Mapping[str, Any] | None, name: str) -> SourceState:
    """The digest of the golden requests in a ConfigMap; or what is missing."""
    problem = "does not exist in this namespace" if manifest is None else "has no keys; each is to be a golden request"
    found = manifest or {}
    files = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    files |= {key: base64.b64decode(text) for key, text in (found.get("binaryData") or {}).items()}
    if not files:
        words = f"ConfigMap {name} with the golden requests {problem}"
        return SourceState(problem=Verdict(Reason.GOLDEN_UNAVAILABLE, words))
    return SourceState(digest=golden_digest(files))


def reads_golden(subject: Subject, records: Mapping[str, RevisionRecord]) -> bool:
    """Whether the golden requests matter now: a preflight is to come, runs, or was lost and may be tried again."""
    if golden_name(subject) is None or subject.spec.paused:
        return False
    if serves_on(subject, records):
        return False
    wanted, resolution = spec_hash(subject.spec), subject.status.resolution
    starts = resolution is not None and resolution.phase is ResolutionPhase.PROVISIONING
    return resolution is None or resolution.spec_hash != wanted or not starts


def _fields(spec: ValidationSpec) -> dict[str, Any]:
    """The fields that ask for something."""
    return {name: value for name, value in spec.to_manifest().items() if value}
