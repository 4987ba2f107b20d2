"""Which port of every gateway a model has. Pure; called by `observe`, which knows the other models.

The status keeps it. A new model begins its search at a place of its own, so that two that look at the same time, or two
operators that follow each other, hardly ever meet; where two have one port after all, the older keeps it:

    own port in the status, nobody else's       that one
    own port, and an older model has it too     the next free one
    none yet                                    the next free one, from FIRST_MODEL_PORT + hash of the UID on
    all ports taken                             none: the model stays awake
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serinus_api.gateway import FIRST_MODEL_PORT, LAST_MODEL_PORT

COUNT = LAST_MODEL_PORT - FIRST_MODEL_PORT + 1


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """A model that has a port, or is about to."""

    created: str
    """As Kubernetes writes it: the texts sort like the times."""
    namespace: str
    name: str


def port_for(uid: str, own: int | None, mine: Claim, others: Mapping[int, Iterable[Claim]]) -> int | None:
    """The port by the table above. `others`: what all other models claim."""
    if own is not None and not any(claim < mine for claim in others.get(own, ())):
        return own
    start = int(hashlib.sha256(uid.encode()).hexdigest(), 16) % COUNT
    ports = (FIRST_MODEL_PORT + (start + step) % COUNT for step in range(COUNT))
    return next((port for port in ports if port not in others), None)
