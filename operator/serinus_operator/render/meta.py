"""Labels and names of children, in one place."""

from serinus_api import names
from serinus_operator.state import Subject


def labels(subject: Subject, *, revision: str | None = None, role: str | None = None) -> dict[str, str]:
    """The labels of a child: whose it is, and of a pod also which revision's and what for."""
    found = names.deployment_labels(subject.name)
    if revision:
        found[names.LABEL_REVISION] = revision
    if role:
        found[names.LABEL_ROLE] = role
    return found


def serving_selector(subject: Subject, revision: str | None = None) -> dict[str, str]:
    """Selects the serving pods of a ModelDeployment, or of one revision; never a preflight pod."""
    found = {names.LABEL_DEPLOYMENT: names.bounded(subject.name), names.LABEL_ROLE: names.ROLE_SERVING}
    return {**found, names.LABEL_REVISION: revision} if revision else found
