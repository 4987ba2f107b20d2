"""`serinus.dev/refresh`: the spec that serves is resolved once more, with the bytes and the image of now. Pure.

    the spec's revision is stable, and                          what follows
    ──────────────────────────────────────────────────────────  ─────────────────────────────────────
    nothing more                                                it serves on
    refresh has a value that was not carried out yet            it is resolved anew, and the value noted
    it is being resolved                                        that goes on
    what was found at the last refresh was refused              stable serves on, and that is told

The value counts as carried out when a resolution begins, of whatever spec: one that comes in the middle of it, or of a
rollout, is for the next.
"""

from collections.abc import Mapping

from serinus_api import names
from serinus_api.v1alpha1 import ActionsStatus, spec_hash
from serinus_operator.state import RevisionRecord, Subject


def is_asked(subject: Subject) -> bool:
    """Whether the annotation has a value that was not carried out yet."""
    return _value(subject) not in ("", subject.status.actions.refresh)


def with_refresh(subject: Subject, actions: ActionsStatus) -> ActionsStatus:
    """The actions with the present value noted as carried out."""
    return actions.model_copy(update={"refresh": _value(subject) or actions.refresh})


def serves_on(subject: Subject, records: Mapping[str, RevisionRecord]) -> bool:
    """Whether the spec's revision is the stable one, and no other is looked for or was refused."""
    status, wanted = subject.status, spec_hash(subject.spec)
    stable = records.get(status.stable_revision or "")
    if stable is None or stable.spec_hash != wanted or is_asked(subject):
        return False
    resolved = status.resolution is not None and status.resolution.spec_hash == wanted
    return not resolved and not any(rejection.spec_hash == wanted for rejection in status.rejected)


def _value(subject: Subject) -> str:
    return subject.annotations.get(names.ANNOTATION_REFRESH, "")[:253]
