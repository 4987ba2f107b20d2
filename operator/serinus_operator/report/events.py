"""Kubernetes Events on transitions of conditions and on changes of size: one object per cause, counted up."""

from collections import OrderedDict

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import Condition, ModelDeploymentStatus, ScalingStatus
from serinus_operator.state import Happening, Instant, Manifest, Reference, Subject

REMEMBERED = 2048
BURST = 25.0
REFILL_SECONDS = 60.0
NORMAL_WHEN_TRUE = frozenset(
    {"Ready", "Available", "ModelResolved", "ModelValidated", "RolloutHealthy", "ScalingActive"}
)


class EventBook:
    """Remembers how often each event occurred, so that a repeated one updates its object; bounded."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, uid: str, now: Instant) -> bool:
        """Whether this ModelDeployment may have one more Event now; takes a token if so.

        tokens = min(BURST, tokens + elapsed / REFILL_SECONDS): 25 at once, then one a minute. The log has them all.
        """
        tokens, since = self._buckets.pop(uid, (BURST, now.monotonic))
        tokens = min(BURST, tokens + (now.monotonic - since) / REFILL_SECONDS)
        admitted = tokens >= 1
        self._buckets[uid] = (tokens - admitted, now.monotonic)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return admitted

    def event(self, subject: Subject | Reference, condition: Condition, now: Instant) -> Manifest:
        """The Event for a condition's transition, with its count and its first and last time."""
        key = f"{subject.uid}/{condition.type}/{condition.status}/{condition.reason}/{condition.message}"
        message = f"{condition.type}={condition.status}: {condition.message}"
        return self._counted(subject, key, condition.reason, message, now, warning=is_warning(condition))

    def turned(self, subject: Subject, after: ScalingStatus, now: Instant) -> Manifest:
        """The Event for a model that fell asleep, wakes or is awake again: one object for each of the three."""
        message = f"{after.state}, {after.desired_replicas} replicas: {after.message or ''}"
        failed = after.reason == Reason.WAKE_FAILED
        reason = Reason.WAKE_FAILED if failed else after.state
        return self._counted(subject, f"{subject.uid}/{reason}", reason, message, now, warning=failed)

    def scaled(self, subject: Subject, before: ScalingStatus, after: ScalingStatus, now: Instant) -> Manifest:
        """The Event for another number of pods: one object for all rises and one for all falls, in the latest words."""
        reason = "ScaledUp" if after.desired_replicas > before.desired_replicas else "ScaledDown"
        return self._counted(subject, f"{subject.uid}/{reason}", reason, after.message or "", now)

    def happened(self, subject: Subject, what: Happening, now: Instant) -> Manifest:
        """The Event for what a rollout came to: the same object for the same step of the same candidate."""
        key = f"{subject.uid}/{what.key}"
        return self._counted(subject, key, what.reason, what.message, now, warning=what.warning)

    def _counted(  # what an Event consists of
        self, subject: Subject | Reference, key: str, reason: str, message: str, now: Instant, *, warning: bool = False
    ) -> Manifest:
        count, first = self._counts.pop(key, (0, now.timestamp()))
        self._counts[key] = (count + 1, first)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": subject.namespace, "name": names.event_name(subject.name, key)},
            "involvedObject": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "namespace": subject.namespace,
                "name": subject.name,
                "uid": subject.uid,
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if warning else "Normal",
            "count": count + 1,
            "firstTimestamp": first,
            "lastTimestamp": now.timestamp(),
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": names.FIELD_MANAGER,
        }


def is_news(condition: Condition, before: Condition | None) -> bool:
    """Whether a condition that has changed is worth an Event.

    What only goes on is not: the first words of a condition while nothing is known, whatever is Unknown (Ready tells
    why), and Reconciling, which repeats Ready.
    """
    if condition.type == "Reconciling" or condition.status == "Unknown":
        return False
    return before is not None or condition.reason not in _PROGRESS


def moved(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> ScalingStatus | None:
    """What is said of a model that fell asleep, wakes, or is awake again; None where it did neither."""
    old = before.scaling.state if before.scaling else "Awake"
    return after.scaling if after.scaling and after.scaling.state != old else None


def resized(before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> tuple[ScalingStatus, ScalingStatus] | None:
    """The two sizes, where demand has changed it; None for a fixed or first one, the same, or what `moved` tells."""
    old, new = before.scaling, after.scaling
    if old is None or new is None or new.engine != "Builtin" or old.engine != new.engine:
        return None
    same = old.desired_replicas == new.desired_replicas or old.state != new.state
    return None if same else (old, new)


def is_warning(condition: Condition) -> bool:
    """Something went wrong, as against something that goes on."""
    if condition.type == "Stalled":
        return True
    return condition.type in NORMAL_WHEN_TRUE and condition.status == "False" and condition.reason not in _PROGRESS


_PROGRESS = frozenset({"Reconciling", "Starting", "NoRevision", "Paused", "Progressing"})
