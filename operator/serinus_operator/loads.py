"""Frozen values of the scaling loop: what pods answered, what is remembered of it, and what came of it.

collect ─► LoadSample ─► decide/demand ─► History ─► decide/replicas ─► Surge ─► Outcome
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from serinus_api.runtime import LoadReport


@dataclass(frozen=True, slots=True)
class PodLoad:
    """One ready pod that was asked for its load."""

    uid: str
    name: str
    revision: str
    report: LoadReport | None
    """None: it did not answer, which is unknown, not zero."""
    page: str | None = None
    """Its metrics, read only during a rollout in steps."""


@dataclass(frozen=True, slots=True)
class LoadSample:
    """One look at all ready pods of a ModelDeployment."""

    at: float
    """Monotonic seconds."""
    pods: tuple[PodLoad, ...]
    held: int = 0
    """Requests that gateways hold for it: demand like those in the pods."""


@dataclass(frozen=True, slots=True)
class PodPast:
    """What a pod said last, and how much it bore since the time before."""

    at: float
    report: LoadReport
    busy: float = 0.0
    """Requests in flight on average."""
    arrivals: float = 0.0
    """Requests received per second."""
    cores: float | None = None
    """Processors used on average."""
    answers: tuple[int, ...] | None = None
    """Requests answered since the time before, by latency bucket."""
    matched: float = 0.0
    """Of the arrivals, those that a header match sent."""
    copied: float = 0.0
    """Of the arrivals, copies of requests that the stable revision got."""
    rated: bool = True
    """Whether anything is known of the time before; without it only what it says of this moment counts."""


@dataclass(frozen=True, slots=True)
class Point:
    """The demand on a revision at one moment, summed over its pods."""

    at: float
    waiting: float
    """Requests in flight, queued, and held by gateways."""
    busy: float
    arrivals: float
    cores: float | None
    answers: tuple[int, ...] | None
    silent: int = 0
    """Ready pods that did not answer."""
    matched: float = 0.0
    """Of the arrivals, those that a header match sent."""
    copied: float = 0.0
    """Of the arrivals, copies of requests that the stable revision got."""
    rated: bool = True
    """Whether the arrivals of all pods are known, so that what is borne is borne for them."""


@dataclass(frozen=True, slots=True)
class History:
    """The demand on one revision within the stable window."""

    at: float | None = None
    """When its pods were last asked, whether or not they answered."""
    pods: Mapping[str, PodPast] = field(default_factory=lambda: MappingProxyType({}))
    """By UID."""
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Surge:
    """What the scaler remembers between two decisions."""

    panic_since: float | None = None
    peak: int = 0
    """Most pods wanted during the panic."""
    recent: tuple[tuple[float, int], ...] = ()
    """When and how many pods were wanted within the scale-down delay, falling: what a later one exceeds is dropped."""


@dataclass(frozen=True, slots=True)
class Writers:
    """Who else changes the size of a Deployment."""

    seen: int | None = None
    """The size at the last look."""
    asked: tuple[int, ...] = ()
    """Sizes that were decided and have not been seen yet; written, if the writes succeeded."""
    foreign: tuple[float, ...] = ()
    """When the size was found to be neither."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision on the size, for the operator's metrics."""

    desired: int
    wanted: int
    """Before the bounds."""
    panic: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Demand:
    """How much was asked of a revision, averaged over one window."""

    concurrency: float
    arrivals: float
    """Requests per second."""
    cores: float | None
    """Processors in use; None where no pod says."""
    p95_seconds: float | None
    """None without an answered request."""
    requests: float = 0.0
    """How many have arrived in the window."""
    matched: float = 0.0
    """Of the arrivals, those that a header match sent."""
    copied: float = 0.0
    """Of the arrivals, copies of requests that the stable revision got."""


@dataclass(frozen=True, slots=True)
class WholeMemory:
    """What is remembered of the pods that a revision would need for every request, while two share them."""

    size: int
    """Pods, within the bounds."""
    surge: Surge = field(default_factory=Surge)
    sample: Demand | None = None
    """The last window in which it got enough requests to tell what one costs."""
    decided_at: float | None = None
    """When the look was made on which the size rests."""
    settled_at: float = 0.0
    """When the size last changed."""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class ScalingMemory:
    """What a restart may lose; without it nothing shrinks for one stable window."""

    revision: str = ""
    """Which revision all this is about."""
    begun: float = 0.0
    """When it began to be looked at."""
    history: History = field(default_factory=History)
    surge: Surge = field(default_factory=Surge)
    writers: Writers = field(default_factory=Writers)
    coming: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Since when each pod that is not ready has been on its way, by its UID."""
    ready_since: float | None = None
    """Since when some pod has been ready; None: none is."""
    lacking_since: float | None = None
    """Since when there are fewer pods than there should be."""
    decided_at: float | None = None
    """When the look was made on which the last decision rests."""
    settled_at: float = 0.0
    """When the size last changed."""
    outcome: Outcome | None = None
    whole: WholeMemory | None = None
    """During a rollout in steps."""
