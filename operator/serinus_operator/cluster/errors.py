"""What can go wrong between us and the cluster, in our words.

    ClusterError
    ├── Conflict        409: somebody wrote since we looked, or the name is taken; look again
    ├── Missing         404 on a write: the object went away in between
    ├── Denied          403 by RBAC; carries the verb and the resource
    ├── Refused         403 by quota, limits or Pod Security, 413, 422: the API server's own words
    ├── NameTaken       the name of a child belongs to somebody else's object
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
    """Admission or validation said no, in the words of the message."""


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
