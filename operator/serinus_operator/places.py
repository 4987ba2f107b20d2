"""Frozen values of the ways to a model: where it is between its pods and the gateway, and what is seen of them.

gateways ─► GatewayLook ─► decide/zero ─► Place ─► render/network
routes ─► RouteLook ─► decide/route ─► RouteReady, and what a rollout may count on
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from serinus_api.gateway import ModelTraffic


class State(StrEnum):
    """What users are told (`status.scaling.state`)."""

    AWAKE = "Awake"
    ASLEEP = "Asleep"
    WAKING = "Waking"


class Mode(StrEnum):
    """What stands behind the entry Service (`status.scaling.traffic`)."""

    DIRECT = "Direct"
    """The pods alone."""
    HAND_OVER = "HandOver"
    """The pods, and beside them the gateways, which forward to the pods."""
    PROXIED = "Proxied"
    """The gateways alone."""


class Place(NamedTuple):
    """Where a model is. It is in the status before anything is done that it stands for."""

    state: State
    mode: Mode


AWAKE = Place(State.AWAKE, Mode.DIRECT)
LEAVING = Place(State.AWAKE, Mode.HAND_OVER)
"""On the way to sleep: the gateways come in."""
IDLING = Place(State.AWAKE, Mode.PROXIED)
"""On the way to sleep: every new connection goes to a gateway, and the last pods are watched."""
ASLEEP = Place(State.ASLEEP, Mode.PROXIED)
WAKING = Place(State.WAKING, Mode.PROXIED)
RETURNING = Place(State.WAKING, Mode.HAND_OVER)
"""Pods answer; the Service learns of them again."""
STRANDED = Place(State.WAKING, Mode.DIRECT)
"""Without a gateway and without a pod that answers."""

PLACES = (AWAKE, LEAVING, IDLING, ASLEEP, WAKING, RETURNING, STRANDED)


@dataclass(frozen=True, slots=True)
class GatewayPod:
    """A gateway that is ready and was not told to stop."""

    name: str
    addresses: tuple[str, ...]
    """One per address family, the first one first."""


@dataclass(frozen=True, slots=True)
class GatewayLook:
    """What is known of the gateways, with an eye to one model."""

    installed: bool = False
    """Whether this installation has gateways at all."""
    pods: tuple[GatewayPod, ...] = ()
    """Those that are ready, by name."""
    none_since: float | None = None
    """Since when none is ready; None while one is, or nothing is known yet. Monotonic seconds."""
    at: float | None = None
    """When their load endpoints were read last."""
    traffic: tuple[ModelTraffic | None, ...] = ()
    """What each of `pods` said of the model then; None: nothing."""
    answered: bool | None = None
    """Probes of the Service's address: a gateway answered; False: one was not answered at all; None: not seen yet."""

    @property
    def told(self) -> tuple[ModelTraffic, ...] | None:
        """What all of them said; None where one did not, or does not know what Envoy does."""
        said = tuple(one for one in self.traffic if one is not None and one.in_flight is not None)
        return said if said and len(said) == len(self.pods) else None


@dataclass(frozen=True, slots=True)
class EntryState:
    """The entry Service as it is, and its EndpointSlices."""

    proxied: bool = False
    """Its selector matches no pod."""
    address: str | None = None
    """Its cluster address."""
    pods: int = 0
    """Addresses of ready pods behind it, as Kubernetes itself wrote them."""
    gateways: int = 0
    """Addresses of gateways behind it: those in the slices of ours."""


@dataclass(frozen=True, slots=True)
class ZeroMemory:
    """What a restart may lose: every clock starts anew, so it holds things back and never hurries them."""

    place: str = ""
    """Object, revision and place that the clock runs for."""
    since: float = 0.0
    """When the place was entered, or this process began to look."""
    looked_at: float = 0.0
    """When the pods were last asked for their load."""
    arrivals: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Requests that each pod had received by then, by its UID."""
    last_request: float = 0.0
    """When a sign of a request was last seen; 0: not since this process began to look."""
    last_doubt: float = 0.0
    """When a pod last did not answer."""
    coming: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Since when each pod that is not ready has been on its way, by its UID."""
    not_before: float = 0.0
    """No sleep is begun before."""
    vain: int = 0
    """Hand-overs in a row that the gateways did not take."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is decided on where a model is."""

    place: Place = AWAKE
    follow: bool = False
    """Whether the gateways are to be asked about it, once a second."""
    gateways: tuple[GatewayPod, ...] | None = None
    """What the slices should hold; None: leave them as they are."""
    port: int | None = None
    """The model's own port at every gateway."""
    proxied: bool = False
    """Whether the entry Service's selector shall match no pod."""


TIMEOUT_FEATURE = "HTTPRouteRequestTimeout"
"""Of a GatewayClass: whether a route may say how long a request may take. Beyond the core."""


@dataclass(frozen=True, slots=True)
class RouteLook:
    """What is known of a model's HTTPRoute, and of the Gateway that it is attached to."""

    parent: tuple[str, str] | None = None
    """Namespace and name of the Gateway that the spec names; None: the model has no route."""
    model: tuple[str, str] = ("", "")
    """Namespace and name of the model, of its entry Service and of its HTTPRoute."""
    missing: bool = False
    """The cluster does not know the kind."""
    denied: str | None = None
    """Routes may not be listed: what is known of them may be old."""
    route: Mapping[str, Any] | None = None
    """The HTTPRoute as it was seen last; None: there is none of ours."""
    gateway: Mapping[str, Any] | None = None
    """The Gateway; None also where it may not be read."""
    gateway_absent: bool = False
    """It was looked for, and there is none."""
    features: frozenset[str] | None = None
    """What its class says that it supports beyond the core; None: it does not say, or may not be read."""
