"""Falling asleep and waking: the ways from place to place. Pure; `zero.py` finds the situation and takes the way.

Of the rows that begin where the model is, the first whose condition holds is taken, one per pass, and the new place is
in the status before anything is done for it. `docs/zero.md` shows the same rows. What holds in all of them: the Service
never loses its last address that answers or holds, and no pod is taken from under a request.
"""

from collections.abc import Callable
from dataclasses import dataclass

from serinus_operator.places import ASLEEP, AWAKE, IDLING, LEAVING, RETURNING, STRANDED, WAKING, Place

DESERTED_SECONDS = 2.5
"""Traffic is led to gateways no longer than this when none is ready: with the second that it takes to see that the last
one is gone, and the second until the next look, the Service leads elsewhere within five."""
SETTLE_SECONDS = 2.0
"""Every kube-proxy has heard of the pods by then; until it has, the gateways stay beside them."""
HAND_OVER_SECONDS = 30.0
"""A gateway that has not answered through the Service by then will not."""
UNTOLD_SECONDS = 15.0
"""Gateways that do not tell what they hold keep ready pods waiting this long."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the rows look at."""

    place: Place
    lasted: float
    """Seconds in this place."""
    idle: float
    """Seconds without a sign of a request or a doubt, up to the last look at the pods."""
    window: float
    """Seconds without a request after which a model goes to sleep."""
    grace: float
    """Seconds that the last pods are watched, with all new connections at the gateways."""
    may_sleep: bool
    """Whether a model that is awake may go to sleep."""
    may_rest: bool
    """Whether one that sleeps may go on."""
    called: bool
    """A request was seen since this place was entered."""
    held: bool
    """A gateway holds a request."""
    busy: bool
    """A gateway holds a request or has sent it to a pod that has not answered yet."""
    told: bool
    """All ready gateways know the model and said what they hold."""
    guarded: bool
    """All of them check each request with their agent, so that none goes to a pod that is gone."""
    fresh: bool
    """Pods and gateways were both asked just now, and all of them answered."""
    answered: bool | None
    """See `GatewayLook.answered`."""
    ready_gateways: int
    deserted: float
    """Seconds without a ready gateway."""
    replicas: int
    ready: int
    wanted: int
    """Size by demand, at least 1."""
    enough: bool
    """The ready pods can take what the gateways hold."""
    loading: float | None
    """Seconds that a pod has been loading, the one that has had the least time; None: none is."""
    deadline: float
    """`startupDeadlineSeconds`."""
    addresses: int
    """Ready pods that the Service leads to."""
    slices: int
    """Gateways that the Service leads to."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way from a place to another."""

    here: Place
    there: Place
    when: Callable[[Situation], bool]
    words: str
    """The condition, for the docs and for the status."""


def tired(s: Situation) -> bool:
    """Nobody has asked for long, and the gateways could take over."""
    return s.may_sleep and s.idle >= s.window and s.told and s.ready_gateways > 0 and s.ready == s.replicas > 0


def disturbed(s: Situation) -> bool:
    """It is needed, and its pods are still behind the Service."""
    return (s.called or not s.may_sleep) and s.addresses > 0


def without_gateway(s: Situation) -> bool:
    """Nothing could answer in the pods' place."""
    return s.ready_gateways == 0


def not_taken_over(s: Situation) -> bool:
    """Requests may be getting lost at the gateways."""
    return (s.answered is False or s.lasted >= HAND_OVER_SECONDS) and s.addresses > 0


def taken_over(s: Situation) -> bool:
    """A gateway was seen to answer, and no request can pass it unseen."""
    return s.answered is True and s.told and s.guarded and s.slices > 0 and not s.called


def wanted_again(s: Situation) -> bool:
    """It is needed, or its pods do not answer."""
    return s.called or s.busy or not s.may_sleep or s.ready == 0


def deserted(s: Situation) -> bool:
    """The gateways are gone, and traffic still leads to them."""
    return s.deserted >= DESERTED_SECONDS


def unneeded(s: Situation) -> bool:
    """Pods and gateways were asked after the grace period, and all of them say: nothing."""
    quiet = s.lasted >= s.grace and s.idle >= s.grace and not s.called
    return quiet and s.told and s.guarded and not s.busy and s.fresh and s.ready == s.replicas and s.ready_gateways > 0


def has_pods(s: Situation) -> bool:
    """Whoever gave it pods wants it awake; they are not taken back."""
    return s.replicas > 0


def must_serve(s: Situation) -> bool:
    """The spec has changed."""
    return not s.may_rest


def overdue(s: Situation) -> bool:
    """Its pods have had their time; a loading one has its own."""
    return s.lasted >= s.deadline and (s.loading is None or s.loading >= s.deadline)


def carried(s: Situation) -> bool:
    """Its pods can take what the gateways hold. Those that nothing could start by then are not waited for."""
    complete = s.ready > 0 and (s.ready >= s.replicas >= s.wanted or overdue(s))
    released = (not s.held and s.enough) if s.told else s.lasted >= UNTOLD_SECONDS
    return complete and released


def given_up(s: Situation) -> bool:
    """None of its pods has answered in its time, and nobody waits for one."""
    return overdue(s) and s.ready == 0 and s.may_rest and s.told and not s.busy


def emptied(s: Situation) -> bool:
    """The spec asks for no pods at all, so there is nothing to lead to."""
    return s.wanted == 0


def led_back(s: Situation) -> bool:
    """Every kube-proxy knows pods that answer."""
    return s.addresses > 0 and s.lasted >= SETTLE_SECONDS


def answering(s: Situation) -> bool:
    """The Service leads to a pod."""
    return s.ready > 0


def gateway_back(s: Situation) -> bool:
    """Requests can be held again."""
    return s.ready_gateways > 0


TABLE: tuple[Row, ...] = (
    Row(AWAKE, LEAVING, tired, "no request for the idle window, and every ready gateway knows the model"),
    Row(LEAVING, AWAKE, without_gateway, "no gateway is ready"),
    Row(LEAVING, AWAKE, disturbed, "a request came, or the model may not sleep any more"),
    Row(LEAVING, AWAKE, not_taken_over, "the gateways do not answer through the Service"),
    Row(LEAVING, IDLING, taken_over, "a gateway answers through the Service, and all of them check each request"),
    Row(IDLING, AWAKE, deserted, "no gateway was ready for 2.5 s"),
    Row(IDLING, RETURNING, wanted_again, "a request came, or the model may not sleep any more"),
    Row(IDLING, ASLEEP, unneeded, "nothing arrived, is held or in flight for the grace period"),
    Row(ASLEEP, AWAKE, emptied, "the spec asks for no pods"),
    Row(ASLEEP, STRANDED, deserted, "no gateway was ready for 2.5 s"),
    Row(ASLEEP, WAKING, has_pods, "somebody gave it pods: a gateway for a request, or a hand"),
    Row(ASLEEP, WAKING, must_serve, "the spec does not let it sleep any more"),
    Row(WAKING, AWAKE, emptied, "the spec asks for no pods"),
    Row(WAKING, STRANDED, deserted, "no gateway was ready for 2.5 s"),
    Row(WAKING, RETURNING, carried, "all its pods answer, or those that could start in time, and nothing is held"),
    Row(WAKING, ASLEEP, given_up, "no pod answered by the startup deadline, and nothing is held"),
    Row(RETURNING, AWAKE, emptied, "the spec asks for no pods"),
    Row(RETURNING, STRANDED, deserted, "no gateway was ready for 2.5 s"),
    Row(RETURNING, AWAKE, led_back, "the Service has led to its pods for 2 s"),
    Row(STRANDED, AWAKE, emptied, "the spec asks for no pods"),
    Row(STRANDED, AWAKE, answering, "a pod answers"),
    Row(STRANDED, RETURNING, gateway_back, "a gateway is ready"),
)


def next_row(situation: Situation) -> Row | None:
    """The row that is taken; None: the model stays where it is."""
    return next((row for row in TABLE if row.here == situation.place and row.when(situation)), None)
