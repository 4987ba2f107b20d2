"""What the agent knows of models and pods, and the two ports that it knows it through. No I/O here.

`World` tells what is, `Waker` starts a revision that has no pods. In a cluster `cluster/` realises both, in local mode
and in tests `feed.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from serinus_api.gateway import DEADLINE_SECONDS, INITIAL_REPLICAS, MAX_PENDING_REQUESTS
from serinus_api.runtime import READY_PATH
from serinus_gateway.description import Endpoint, HeaderMatch, ModelKey
from serinus_gateway.description import Protocol as Speech


@dataclass(frozen=True, slots=True)
class Pod:
    """A serving pod of ours that has not ended and was not told to."""

    name: str
    uid: str
    revision: str
    http: Endpoint | None
    """Where it takes requests; None: it has no address yet."""
    private: Endpoint | None
    """Where it tells its load."""
    ready: bool = False
    """What the kubelet says; the agent asks the pod itself while something is held."""
    concurrency: int = 8
    """Requests that it works on at once."""
    ready_path: str = READY_PATH
    """Answers 200 once it takes requests."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a revision does not answer, in one word and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Activation:
    """What is done with requests for a model without pods."""

    max_pending: int = MAX_PENDING_REQUESTS
    deadline_seconds: int = DEADLINE_SECONDS
    initial_replicas: int = INITIAL_REPLICAS


@dataclass(frozen=True, slots=True)
class ModelView:
    """One ModelDeployment with its pods."""

    namespace: str
    name: str
    uid: str
    port: int
    stable: str
    candidate: str | None = None
    weight: int = 0
    """Percent of the requests that go to the candidate."""
    match: tuple[HeaderMatch, ...] = ()
    settled: bool = True
    """Whether it is plainly awake: Envoy may choose pods by itself wherever there are ready ones."""
    wakes: bool = True
    """Whether requests wait for pods, and may start the first. In local mode not those for a model that never sleeps:
    its size, be it 0, is for others to change."""
    created: str = ""
    """When, as Kubernetes writes it; the older of two models with one port keeps it."""
    protocol: Speech = Speech.HTTP1
    request_timeout_seconds: int = 60
    activation: Activation = field(default_factory=Activation)
    pods: tuple[Pod, ...] = ()
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    """By revision; the empty name is the model as a whole."""

    @property
    def key(self) -> ModelKey:
        """Namespace and name."""
        return self.namespace, self.name

    def pods_of(self, revision: str) -> tuple[Pod, ...]:
        """The pods of one revision."""
        return tuple(pod for pod in self.pods if pod.revision == revision)

    def trouble_of(self, revision: str) -> Trouble:
        """What to tell somebody who waited in vain."""
        found = self.troubles.get(revision) or self.troubles.get("")
        return found or Trouble("NotReady", "no pod has become ready in time")


Views: TypeAlias = Mapping[ModelKey, ModelView]


class World(Protocol):
    """What is. Answers come from memory; the adapter keeps it up to date by itself."""

    @property
    def synced(self) -> bool:
        """Whether everything was seen once; before that nothing may be concluded from what is missing."""

    def views(self) -> Views:
        """All models that have a gateway port."""

    def gateways(self) -> int:
        """Gateways in use, this one among them: at least 1."""

    def names_us(self) -> bool:
        """Whether clients may still be led to this gateway."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after each change."""


class WakeFailed(Exception):  # noqa: N818  # named by what happened
    """The revision could not be started now; the message says why."""


class Waker(Protocol):
    """Starts pods."""

    async def wake(self, namespace: str, revision: str, replicas: int) -> None:
        """Give a revision without pods its first ones; nothing where it has some. WakeFailed."""
