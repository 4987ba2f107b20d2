"""What can go wrong between us and the cluster, in our words.

    ClusterError
    ├── Conflict        409: somebody wrote since we looked, or the name is taken; look again
    ├── Missing         404 on a write: the object went away in between
    ├── Denied          403 by RBAC; carries the verb and the resource
    ├── Refused         403 by quota, limits or Pod Security, any code by an admission policy: in its own words
    │   └── Invalid     400, 413, 422, and the 500 of an apply with an unknown field: never to be taken as it is
    ├── NameTaken       the name of a child belongs to somebody else's object
    ├── Overridden      what we set in a child is changed back by somebody else
    ├── Terminating     403 because the namespace is going away
    ├── Unavailable     429, 5xx, time-outs, broken connections; may carry Retry-After
    ├── Unwritable      local mode: the state folder does not take what is to be kept
    └── FenceLost       this process is not, or no longer, the one that may write

Adapters raise these and nothing else; they are caught in the steps that can name a condition, and in the loop guard.
"""


class ClusterError(Exception):
    """The cluster did not do what was asked."""


class Conflict(ClusterError):
    """The object is not as it was when the decision was made."""


class Missing(ClusterError):
    """The object to be written is gone."""


class Denied(ClusterError):
    """Our account lacks a right.

    Attributes:
        verb: The Kubernetes verb, such as `create`.
        resource: The plural resource, with its group where it has one, such as `deployments.apps`.
    """

    def __init__(self, verb: str, resource: str) -> None:
        super().__init__(
            f"the operator's account may not {verb} {resource}; give the verb back in its Role or ClusterRole"
        )
        self.verb = verb
        self.resource = resource


class Refused(ClusterError):
    """Admission said no, in the words of the message; it may say yes later."""


class Invalid(Refused):
    """Validation said no, in the words of the message; the same object will never be taken."""


class Terminating(ClusterError):
    """The namespace is being deleted; nothing can be made in it."""


class Unavailable(ClusterError):
    """The API server did not answer, or asked to be left alone for a while.

    Attributes:
        retry_after: Seconds that the server asked for, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unwritable(ClusterError):
    """Local mode's state folder did not take a write: no space, or no right. What was there before is still there."""


class FenceLost(ClusterError):
    """Another replica of the operator holds the lease, or it could not be renewed in time."""


class NameTaken(ClusterError):
    """An object that is not ours bears the name of a child.

    Attributes:
        kind: Its kind.
        name: Its name.
    """

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"{kind} {name} exists and does not belong to this ModelDeployment; it is left untouched. "
            f"Rename the ModelDeployment, or delete the {kind}"
        )
        self.kind = kind
        self.name = name


class Overridden(ClusterError):
    """Somebody else changes a child back whenever we have set it: a webhook, a policy, another controller."""

    def __init__(self, kind: str, name: str, field: str) -> None:
        super().__init__(
            f"{kind} {name}: {field} is changed back whenever the operator sets it, so it is left for a while. "
            "Exempt objects labelled app.kubernetes.io/managed-by=serinus from the webhook, policy or controller that "
            "does it, or ask for its value in the spec"
        )
