"""The values of the rollout machine: where a rollout is, what is seen of it, what shall be. Pure; `transitions` moves.

    Course, Facts, Plan ─► transitions.advance ─► Course ─► intent_of ─► Intent

A course is what the status persists, before anything is done that it announces. It holds no moment in time, only
seconds that have passed on the monotonic clock: a restart makes them fewer, a stepped clock does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_operator.decide.gate import Evidence
from serinus_operator.decide.plan import Plan

LEAST_SIZE = 1
"""Percent of the whole demand: what a candidate holds that is in a step, also in one without any weight."""


@dataclass(frozen=True, slots=True)
class Course:
    """All that a rollout has to remember."""

    stable: str | None = None
    phase: Phase = Phase.STABLE
    candidate: str | None = None
    """The revision that the weight speaks of. After the promotion it is stable as well, until the entry leads to it."""
    previous: str | None = None
    """While it bakes: the revision to return to."""
    attempt: int = 0
    step_index: int = 0
    step_weight: int = 0
    """Weight of the present step; 0 in one of copies alone, and when this rollout has no steps. Tells whether the steps
    were edited."""
    elapsed: float = 0.0
    """Seconds at the present step's weight, or of the bake."""
    counting: bool = False
    """Whether they were counted at the last look, so that the time since then counts in full; not persisted."""
    waited: float = 0.0
    """Seconds for which the weight that is aimed at has not been in force; not persisted."""
    weight: int = 0
    """Percent asked for the candidate."""
    held: str = ""
    held_seconds: float = 0.0
    promoted: str = ""
    """Value of serinus.dev/promote last carried out; so are the next two of theirs."""
    aborted: str = ""
    retried: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One revision's pods."""

    ready: int = 0
    holds: int = 0
    """Percent of the whole demand that the ready ones can take, at most 100."""
    stuck: bool = False
    """More are asked for, and something outside keeps them from starting: no room, a quota."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a transition may look at."""

    wanted: str | None
    """The revision that the spec asks for; None while it is being resolved and tried."""
    sides: Mapping[str, Side] = field(default_factory=dict)
    applied: int | None = 0
    """Percent that every ready gateway, or the route at our generation, gives the candidate; None: they differ."""
    verified: bool | None = None
    """Whether the requests seen agree with it; None: too few."""
    splitter: bool = True
    """Whether there is anything that can split."""
    armed: bool = True
    """Whether the split knows the candidate, so that it may get a share."""
    quiet: bool = True
    """Nothing arrived at the candidate for two ticks."""
    previous_quiet: bool = True
    """Nothing came to the previous revision directly for 5 s."""
    entry: str | None = None
    """The revision that the entry Service leads to."""
    covered: bool = True
    """Whether stable's pods may go first: the gateways hold what comes meanwhile, and it could start again."""
    shortcut: bool = False
    """The candidate was promoted before, or the model sleeps: it takes no steps."""
    failed: str = ""
    """Why the revision that is tried cannot go on: the reason in one word, a colon, a sentence."""
    evidence: Evidence = field(default_factory=Evidence)
    promote: str = ""
    """Value of serinus.dev/promote; so are the next two of theirs."""
    abort: str = ""
    retry: str = ""
    starts_within: float = 600.0
    """Seconds that a pod may take to become ready."""
    passed: float = 0.0
    """Seconds of the monotonic clock since the last look; 0 after a restart."""

    def side(self, revision: str | None) -> Side:
        """A revision's pods; none of a revision that there is not."""
        return self.sides.get(revision or "", Side())


@dataclass(frozen=True, slots=True)
class Intent:
    """What the cluster shall be like."""

    entry: str | None
    weight: int
    candidate: str | None
    sizes: Mapping[str, int]
    """By revision, percent of the whole demand that its pods are to hold. Others have no pods."""


def intent_of(course: Course, facts: Facts, plan: Plan) -> Intent:
    """What follows from a course. Sizes: who receives has its size before the weight moves, who gives keeps it.

    phase                   stable                        candidate or previous
    ──────────────────────  ────────────────────────────  ─────────────────────
    Stable, Aborted         100                           –
    Provisioning            100                           first weight, or 100; Recreate 0
    Stepping, Held          what the candidate never got  step weight, at least a pod
    Promoting               the same, Recreate 0          100
    Baking                  100                           100, Recreate 0
    Aborting, Superseding   100                           what it has to take still

    A revision that the entry still leads to keeps its full size. Stable keeps a pod even in a step of 100 %: the way
    back leads to it.
    """
    spare = 0 if plan.recreates else 100
    given = max(course.weight, _last_given(course, facts))
    kept = max(1, 100 - (0 if facts.applied is None else min(course.weight, course.step_weight, facts.applied)))
    table: dict[Phase, tuple[int, int]] = {
        Phase.PROVISIONING: (100, _first_size(facts, plan, course) if spare else 0),
        Phase.STEPPING: (kept, max(LEAST_SIZE, course.step_weight, given)),
        Phase.HELD: (kept, max(LEAST_SIZE, course.step_weight, given)),
        Phase.PROMOTING: (kept if course.step_weight else spare, 100),
        Phase.BAKING: (100, spare),
        Phase.ABORTING: (100, given),
        Phase.SUPERSEDING: (100, given),
    }
    ours, theirs = table.get(course.phase, (100, 0))
    other = course.previous if course.phase is Phase.BAKING else course.candidate
    entry = entry_of(course, facts)
    if spare and other and other in (entry, facts.entry) and course.phase is not Phase.PROVISIONING:
        theirs = 100
    sizes = {name: size for name, size in ((other, theirs), (course.stable, ours)) if name and size}
    return Intent(entry, course.weight, course.candidate if course.weight else None, sizes)


def entry_of(course: Course, facts: Facts) -> str | None:
    """The stable revision, but never one that does not answer in place of one that does."""
    present = facts.entry
    if present in (course.candidate, course.previous) and not facts.side(course.stable).ready:
        return present if facts.side(present).ready else course.stable
    return course.stable


def _last_given(course: Course, facts: Facts) -> int:
    """Percent that the candidate may still get. On the way back nobody who was given requests loses the pods for them
    before no gateway gives any and none arrives; where that is not known, its step's share is taken for granted, and in
    no phase does it get fewer pods than answer."""
    going = course.phase in (Phase.ABORTING, Phase.SUPERSEDING) and course.candidate in facts.sides
    if facts.applied is None:
        return max(course.step_weight if going else 0, facts.side(course.candidate).holds)
    return max(facts.applied, 0 if facts.quiet or not going else 1)


def _first_size(facts: Facts, plan: Plan, course: Course) -> int:
    return first_percent(plan) if steps_ahead(course, facts, plan) else 100


def first_percent(plan: Plan) -> int:
    """Percent of the whole demand that the candidate's pods are to hold before its first step; some pod gets copies."""
    return max(LEAST_SIZE, plan.steps[0].weight) if plan.steps else 100


def steps_ahead(course: Course, facts: Facts, plan: Plan) -> bool:
    """Whether the candidate has steps to take: not the first revision ever, not one that served before."""
    return bool(plan.steps) and course.stable is not None and not facts.shortcut
