"""What is said of an HTTPRoute by what its controllers say of it, and what a rollout may count on."""

from typing import Any

import pytest
from tests.unit.decide.subjects import at, observation, spec, subject

from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import ModelDeploymentStatus, RolloutPhase
from serinus_operator.decide import route
from serinus_operator.decide.course import Course
from serinus_operator.decide.sightings import Sightings, applied, divides, remembered
from serinus_operator.places import TIMEOUT_FEATURE, EntryState, RouteLook
from serinus_operator.state import Decision, Health, Manifest, Memory, Verdict

PARENT = ("infra", "public")
REF = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "infra", "name": "public"}
COURSE = Course("s", RolloutPhase.ABORTING, "c", attempt=1, step_weight=50, weight=0)


def said(kind: str, status: str = "True", reason: str = "", message: str = "", generation: int = 4) -> Manifest:
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": message,
        "observedGeneration": generation,
    }


def entry(*conditions: Manifest, ref: Manifest | None = None) -> Manifest:
    return {"parentRef": ref or REF, "controllerName": "example/one", "conditions": list(conditions)}


GOOD = entry(said("Accepted"), said("ResolvedRefs"))
OLD = entry(said("Accepted", generation=3), said("ResolvedRefs", generation=3))


def look(*entries: Manifest, weights: dict[str, int] | None = None, **more: Any) -> RouteLook:
    refs = [{"name": name, "weight": weight} for name, weight in (weights or {"iris": 100}).items()]
    rules = [{"backendRefs": refs}, {"backendRefs": [{"name": "c", "weight": 100}]}]
    found = {"metadata": {"generation": 4}, "spec": {"rules": rules}, "status": {"parents": list(entries)}}
    return RouteLook(**{"parent": PARENT, "model": ("ml", "iris"), "route": found, **more})


ROWS: list[Any] = [
    (look(GOOD, missing=True), "False", Reason.GATEWAY_API_MISSING, "install the Gateway API's CRDs"),
    (look(GOOD, denied="may not list"), "False", Reason.RBAC_DENIED, "may not list"),
    (look(GOOD, gateway_absent=True), "False", Reason.GATEWAY_NOT_FOUND, "infra/public does not exist"),
    (look(route=None), "Unknown", Reason.WAITING_FOR_GATEWAY, "is being made"),
    (look(), "Unknown", Reason.WAITING_FOR_GATEWAY, "no controller has looked"),
    (look(OLD), "Unknown", Reason.WAITING_FOR_GATEWAY, "the present HTTPRoute"),
    (
        look(entry(said("Accepted"), said("ResolvedRefs", generation=3))),
        "Unknown",
        Reason.WAITING_FOR_GATEWAY,
        "the present HTTPRoute",
    ),
    (look(entry(said("Accepted"))), "Unknown", Reason.WAITING_FOR_GATEWAY, "has not said ResolvedRefs"),
    (
        look(entry(said("Accepted"), said("ResolvedRefs"), ref={**REF, "name": "other"})),
        "Unknown",
        Reason.WAITING_FOR_GATEWAY,
        "no controller has looked",
    ),
    (
        look(entry(said("Accepted", "False", "NoMatchingListenerHostname", "No host."), said("ResolvedRefs"))),
        "False",
        Reason.NOT_ACCEPTED,
        "NoMatchingListenerHostname: No host",
    ),
    (
        look(entry(said("Accepted"), said("ResolvedRefs", "False", "BackendNotFound", "Service c."))),
        "False",
        Reason.REFS_NOT_RESOLVED,
        "BackendNotFound: Service c",
    ),
    (look(GOOD), "True", Reason.ACCEPTED, "infra/public takes"),
    (look(OLD, GOOD), "True", Reason.ACCEPTED, "infra/public takes"),
    (look(GOOD, features=frozenset({TIMEOUT_FEATURE})), "True", Reason.ACCEPTED, "infra/public takes"),
    (look(GOOD, features=frozenset()), "True", Reason.UNSUPPORTED_FEATURE, TIMEOUT_FEATURE),
]


@pytest.mark.parametrize(("seen", "status", "reason", "words"), ROWS)
def test_condition_follows_the_table(seen: RouteLook, status: str, reason: Reason, words: str) -> None:
    found = route.condition(seen)
    assert (found.status, found.verdict.reason) == (status, reason)
    assert words in found.verdict.message


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        ({}, "listener web admits namespace infra alone"),
        ({"namespaces": {"from": "Same"}}, "listener web admits namespace infra alone"),
        (
            {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}},
            "listener web admits namespaces with labels team=a",
        ),
        ({"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]}, "listener web admits no HTTPRoute"),
        ({"namespaces": {"from": "None"}}, "listener web admits None"),
    ],
)
def test_listeners_that_do_not_admit_the_namespace_are_named(allowed: Manifest, words: str) -> None:
    refused = entry(said("Accepted", "False", "NotAllowedByListeners", "No."), said("ResolvedRefs"))
    gateway = {"spec": {"listeners": [{"name": "web", "allowedRoutes": allowed}]}}
    message = route.condition(look(refused, gateway=gateway)).verdict.message
    assert words in message
    assert "namespaces.from to All, or to Selector with labels that namespace ml has" in message


def test_gateway_in_the_models_own_namespace_may_go_without_one() -> None:
    ref = {"name": "public"}
    found = look(entry(said("Accepted"), said("ResolvedRefs"), ref=ref), parent=("ml", "public"))
    assert route.accepted(found)
    assert not route.accepted(look(entry(said("Accepted"), said("ResolvedRefs"), ref=ref)))


# What a rollout may count on


def sightings(now: float = 0.0, **more: Any) -> Sightings:
    found = remembered(None, COURSE, ModelDeploymentStatus(), now)
    return Sightings(**{name: getattr(found, name) for name in Sightings.__dataclass_fields__} | more)


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        (look(GOOD, weights={"iris": 75, "c": 25}), 1.0, 25),
        (look(GOOD, weights={"iris": 0, "c": 100}), 1.0, 100),
        (look(GOOD), 1.0, 0),
        (look(GOOD, weights={"iris": 0}), 1.0, None),
        (look(OLD, weights={"iris": 75, "c": 25}), 99.0, None),
        (look(OLD, weights={"iris": 100, "c": 0}), 29.0, None),
        (look(OLD, weights={"iris": 100, "c": 0}), 30.0, 0),
        (look(route=None), 1.0, 0),
        (look(route=None, denied="no"), 29.0, None),
        (look(route=None, denied="no"), 30.0, 0),
    ],
    ids=[
        "a quarter, taken",
        "all, taken",
        "no candidate",
        "no weight at all is no share",
        "not taken",
        "taken back, not taken",
        "taken back, not taken, and long unused",
        "no route sends nothing",
        "nothing is known",
        "nothing is known, and long unused",
    ],
)
def test_weight_is_applied_when_its_route_was_taken(seen: RouteLook, now: float, expected: int | None) -> None:
    assert applied(observation(route=seen), sightings(), now) == expected


def test_candidate_that_was_called_a_moment_ago_is_not_unused() -> None:
    seen = observation(route=look(OLD, weights={"iris": 100, "c": 0}))
    assert applied(seen, sightings(called={"c": 20.0}), 49.0) is None
    assert applied(seen, sightings(called={"c": 20.0}), 50.0) == 0


def test_nothing_counts_while_our_own_gateways_still_split() -> None:
    seen = look(GOOD, weights={"iris": 75, "c": 25})
    assert applied(observation(route=seen, entry=EntryState(proxied=True)), sightings(), 1.0) is None
    assert applied(observation(route=seen, entry=EntryState(gateways=1)), sightings(), 1.0) is None


REFUSED = look(entry(said("Accepted", "False", "Invalid"), said("ResolvedRefs")))


@pytest.mark.parametrize(
    ("seen", "taken_at", "now", "expected"),
    [
        (look(GOOD), None, 9.0, True),
        (REFUSED, None, 0.0, False),
        (REFUSED, 7.0, 9.0, True),
        (REFUSED, 7.0, 9.5, False),
        (look(OLD), 7.0, 36.0, True),
        (look(OLD), 7.0, 37.0, False),
        (look(OLD), None, 29.0, True),
        (look(OLD), None, 30.0, False),
    ],
)
def test_route_can_split_until_it_is_refused_or_long_ignored(
    seen: RouteLook, taken_at: float | None, now: float, expected: bool
) -> None:
    assert divides(observation(route=seen), sightings(taken_at=taken_at), now) is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (look(GOOD, weights={"iris": 100, "c": 0}), True),
        (look(OLD, weights={"iris": 100, "c": 0}), False),
        (look(GOOD), False),
    ],
)
def test_candidate_is_known_when_a_route_that_names_it_was_taken(seen: RouteLook, expected: bool) -> None:
    assert route.knows(seen, "c") is expected


# What the model says


def decision(health: Health = Health.SETTLED) -> Decision:
    return Decision(ModelDeploymentStatus(), Memory(), health, Verdict(Reason.READY, "fine"))


def test_settled_model_waits_for_its_route_and_stalls_after_the_deadline() -> None:
    owner = subject(spec(runtime={"startupDeadlineSeconds": 60}))
    first = route.told(owner, look(OLD), None, decision(), at(100))
    assert (first.health, first.verdict.reason) == (Health.WORKING, Reason.WAITING_FOR_GATEWAY)
    assert (first.memory.unrouted_since, first.requeue_seconds) == (100, 5.0)
    later = route.told(owner, look(OLD), first.memory.unrouted_since, decision(), at(160))
    assert (later.health, later.memory.unrouted_since) == (Health.STALLED, 100)
    healed = route.told(owner, look(GOOD), later.memory.unrouted_since, decision(), at(161))
    assert (healed.health, healed.memory.unrouted_since) == (Health.SETTLED, None)
    assert healed.findings[ConditionType.ROUTE_READY].status == "True"


def test_other_trouble_keeps_its_own_words() -> None:
    told = route.told(subject(), look(OLD), None, decision(Health.STALLED), at(1))
    assert (told.health, told.verdict.message) == (Health.STALLED, "fine")
    assert told.findings[ConditionType.ROUTE_READY].verdict.reason is Reason.WAITING_FOR_GATEWAY


def test_nothing_is_said_of_a_model_without_a_route() -> None:
    assert route.told(subject(), RouteLook(), None, decision(), at(1)) == decision()
