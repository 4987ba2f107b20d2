"""The condition that a failed write amounts to."""

from serinus_api.conditions import Reason
from serinus_operator.cluster.errors import ClusterError, Denied, NameTaken, Overridden
from serinus_operator.state import Verdict


def verdict_of(error: ClusterError) -> Verdict:
    """`NameConflict`, `Overridden`, `RBACDenied`, or `PodsRefused` with the API server's own words."""
    if isinstance(error, NameTaken):
        return Verdict(Reason.NAME_CONFLICT, str(error))
    if isinstance(error, Overridden):
        return Verdict(Reason.OVERRIDDEN, str(error))
    if isinstance(error, Denied):
        return Verdict(Reason.RBAC_DENIED, str(error))
    return Verdict(Reason.PODS_REFUSED, str(error))
