"""The way of a new revision, as a pure state machine. Called by `decide`; it moves at most one phase per call.

                 new spec                              all pods ready
    (settled) ──────────► Resolving ► Preflight ► Provisioning ──────────► promoted (settled)
                              │           │            │
                              └───────────┴────────────┴──► rejected, on final causes alone

Waiting causes (api.md: "Waiting or failed?") are tried again by themselves and never reject; after
`startupDeadlineSeconds` they count as stalled. `serinus.dev/abort` refuses the spec at once, in any phase. Each phase
answers a `Step`: the new resolution, or how it ended. The weighted steps of a canary come between Provisioning and the
promotion.
"""

from collections.abc import Callable, Mapping
from typing import Final

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ResolutionPhase
from serinus_operator.decide.preflight import preflight
from serinus_operator.decide.provisioning import provisioning
from serinus_operator.decide.resolving import resolving
from serinus_operator.decide.transitions import ASKED
from serinus_operator.decide.work import Step, Work, on_time, reject
from serinus_operator.sources import SUPPORTED, Source, parse_source
from serinus_operator.state import Verdict

PHASES: Final[Mapping[ResolutionPhase, Callable[[Work, Source], Step]]] = {
    ResolutionPhase.RESOLVING: resolving,
    ResolutionPhase.PREFLIGHT: preflight,
    ResolutionPhase.PROVISIONING: provisioning,
}


def advance(work: Work) -> Step:
    """One step of the machine: clock first, then the phase that the resolution is in."""
    work = on_time(work)
    if _abort_asked(work):
        return reject(work, Verdict(Reason.ABORTED, ASKED))
    source = parse_source(work.subject.spec.model.uri)
    if source is None or (source.scheme == "file" and not work.local):
        scheme = work.subject.spec.model.uri.partition(":")[0]
        known = ", ".join(f"{s}://" for s in (("file",) if work.local else ()) + SUPPORTED)
        verdict = Verdict(Reason.UNSUPPORTED_SCHEME, f"spec.model.uri: {scheme} is not supported yet; use {known}")
        return reject(work, verdict)
    return PHASES[work.resolution.phase](work, source)


def _abort_asked(work: Work) -> bool:
    """Whether an abort came while this was under way; one from before was noted when it began."""
    asked = work.subject.annotations.get(names.ANNOTATION_ABORT, "")[:253]
    return asked not in ("", work.subject.status.actions.abort)
