"""What Envoy is told, in our words: frozen values between `plan.py`, which makes them, and `render`. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from serinus_api.gateway import ADMIN_PORT, CHECK_PORT, ENVOY_HEALTH_PORT

ModelKey: TypeAlias = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


class Protocol(StrEnum):
    """What the pods speak."""

    HTTP1 = "HTTP1"
    H2C = "H2C"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A pod's address and port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As in a URL: `10.0.0.7:8080`, `[fd00::7]:8080`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A request that bears this header goes to the candidate."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Share:
    """A revision and its part of the traffic."""

    revision: str
    weight: int
    """Percent; the weights of a model's shares sum to 100."""
    guarded: bool
    """True: each request is held until the agent names a pod. False: Envoy chooses among `endpoints` by itself."""
    endpoints: tuple[Endpoint, ...] = ()
    """Its ready pods."""

    @property
    def has_cluster(self) -> bool:
        """Whether Envoy knows the pods: before the check goes off, and no longer once the last pod is gone."""
        return bool(self.endpoints) or not self.guarded


@dataclass(frozen=True, slots=True)
class Model:
    """One model, known by the port that its requests come in on."""

    namespace: str
    name: str
    port: int
    shares: tuple[Share, ...]
    """The stable revision first."""
    match: tuple[HeaderMatch, ...] = ()
    """All of them must be there; then the request goes to the last share, whatever the weights."""
    protocol: Protocol = Protocol.HTTP1
    request_timeout_seconds: int = 60
    deadline_seconds: int = 600

    @property
    def key(self) -> ModelKey:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class Entrance:
    """One port for all models, found by host name or by path: local mode. In a cluster each has a Service instead."""

    host: str
    port: int
    pages: Endpoint
    """Who answers what is asked of no model, or of one that the gateway does not know yet."""
    domain: str = "localhost"
    home: str = "default"
    """The namespace that host names leave out."""
    prefix: str = "/models"
    """Models are at `<prefix>/<namespace>/<name>/…` too."""


@dataclass(frozen=True, slots=True)
class Frontage:
    """What is the same for all models of one gateway."""

    folder: str = "/run/serinus/envoy"
    """Where Envoy finds its files; the paths inside of them are absolute."""
    listen_host: str = "::"
    """`::` is every address, IPv4 and IPv6."""
    check_port: int = CHECK_PORT
    admin_port: int = ADMIN_PORT
    health_port: int = ENVOY_HEALTH_PORT
    connection_seconds: int = 60
    """Life of a client's connection; it ends between two requests."""
    entrance: Entrance | None = None
    """With one, the models' own listeners are inside of Envoy and no ports of the machine."""
    buffer_bytes: int = 128 * 1024
    """Of a held request's body Envoy keeps about this much; the rest waits in the client."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All models that a gateway serves."""

    models: tuple[Model, ...] = field(default=())
