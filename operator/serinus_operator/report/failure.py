"""The condition that a failed write amounts to."""

import re
from typing import Final

from serinus_api.conditions import Reason
from serinus_operator.cluster.errors import ClusterError, Denied, Invalid, NameTaken, Overridden
from serinus_operator.state import Verdict

FIELDS: Final = re.compile(
    r"\.(affinity|resources|tolerations|nodeSelector|env|image|imagePullSecrets|priorityClassName|serviceAccountName"
    r"|labels|annotations)\b|\b(Affinity)\."
)
"""What of a child comes from a field of the user's, as the API server names it."""
SPELLED: Final = {"labels": "podLabels", "annotations": "podAnnotations", "Affinity": "affinity"}


def verdict_of(error: ClusterError) -> Verdict:
    """`NameConflict`, `Overridden`, `RBACDenied`, `RejectedByAPIServer` or `PodsRefused`, in the server's own words."""
    if isinstance(error, NameTaken):
        return Verdict(Reason.NAME_CONFLICT, str(error))
    if isinstance(error, Overridden):
        return Verdict(Reason.OVERRIDDEN, str(error))
    if isinstance(error, Denied):
        return Verdict(Reason.RBAC_DENIED, str(error))
    if isinstance(error, Invalid):
        message = f"the API server refuses a child for good: {error}; correct {_field(str(error))}"
        return Verdict(Reason.REJECTED_BY_API_SERVER, message)
    return Verdict(Reason.PODS_REFUSED, str(error))


def _field(words: str) -> str:
    """The user's field that the words speak of: `spec.containers[0].resources…` → `spec.runtime.resources`."""
    found = FIELDS.search(words)
    name = found and (found[1] or found[2])
    return f"spec.runtime.{SPELLED.get(name, name)}" if name else "what it names"
