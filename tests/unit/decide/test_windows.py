"""Windows from the counters of processes that come, end, start anew and cannot be reached for a while."""

from hypothesis import given
from hypothesis import strategies as st

from serinus_operator.decide.windows import (
    FORGET_SECONDS,
    Ledger,
    Reading,
    Tally,
    after_promotion,
    next_step,
    next_window,
    record,
)

COUNTS = st.integers(0, 1_000)
TALLIES = st.builds(
    Tally,
    answers=COUNTS,
    errors=COUNTS,
    latency=st.tuples(COUNTS, COUNTS, COUNTS),
    split=COUNTS,
    invalid=COUNTS,
    outputs=st.one_of(st.just(()), st.tuples(COUNTS, COUNTS)),
    compared=COUNTS,
    agreed=COUNTS,
    checked=COUNTS,
)


def reading(answers: int, process: str = "p1", revision: str = "candidate") -> Reading:
    return Reading(process, revision, Tally(answers=answers))


def answers(ledger: Ledger, revision: str = "candidate") -> int:
    return ledger.window.get(revision, Tally()).answers


@given(TALLIES, TALLIES)
def test_what_came_after_is_what_was_added(before: Tally, growth: Tally) -> None:
    after = before.plus(growth)
    assert after.since(before).plus(Tally()) == growth.plus(Tally(outputs=(0,) * len(after.outputs)))


@given(TALLIES, st.integers(1, 1_000))
def test_one_count_that_has_fallen_shows_a_new_process(now: Tally, more: int) -> None:
    assert now.since(now.plus(Tally(agreed=more))) == now
    assert now.since(now.plus(Tally(latency=(0, more, 0)))) == now


def test_first_sight_of_a_process_counts_nothing() -> None:
    assert answers(record(Ledger(), [reading(500)], 0)) == 0


def test_growth_since_the_last_sight_counts() -> None:
    ledger = record(Ledger(), [reading(500)], 0)
    assert answers(record(ledger, [reading(530)], 2)) == 30


def test_counter_that_starts_anew_counts_from_zero() -> None:
    ledger = record(Ledger(), [reading(500)], 0)
    assert answers(record(ledger, [reading(20)], 2)) == 20


def test_processes_of_one_revision_are_added_up() -> None:
    ledger = record(Ledger(), [reading(5), reading(7, "p2"), reading(9, "p3", "stable")], 0)
    ledger = record(ledger, [reading(6), reading(9, "p2"), reading(19, "p3", "stable")], 2)
    assert (answers(ledger), answers(ledger, "stable")) == (3, 10)


def test_process_out_of_reach_is_caught_up_when_it_answers_again() -> None:
    ledger = record(record(Ledger(), [reading(5)], 0), [], 2)
    assert answers(record(ledger, [reading(25)], 4)) == 20
    assert ledger.read_at == {"candidate": 0}


def test_process_that_was_silent_for_too_long_is_seen_for_the_first_time_again() -> None:
    ledger = record(record(Ledger(), [reading(5)], 0), [], FORGET_SECONDS)
    assert answers(record(ledger, [reading(25)], FORGET_SECONDS + 1)) == 0


def test_next_window_keeps_the_step() -> None:
    ledger = record(record(Ledger(), [reading(0)], 0), [reading(8)], 2)
    ledger = record(next_window(ledger, 2), [reading(9)], 4)
    assert (answers(ledger), ledger.step["candidate"].answers, ledger.window_since) == (1, 9, 2)


def test_next_step_begins_both_anew_and_knows_where_the_processes_stand() -> None:
    ledger = record(record(Ledger(), [reading(0)], 0), [reading(8)], 2)
    ledger = record(next_step(ledger, 2), [reading(9)], 4)
    assert (answers(ledger), ledger.step["candidate"].answers) == (1, 1)


def test_the_bake_remembers_the_old_revision_as_it_was_in_the_last_step() -> None:
    ledger = record(record(Ledger(), [reading(0, revision="old")], 0), [reading(8, revision="old")], 2)
    ledger = after_promotion(ledger, "old", 2)
    assert (ledger.standing.answers, ledger.step) == (8, {})
    assert next_step(ledger, 3).standing == Tally()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 20)), max_size=40))
def test_no_request_is_counted_twice_and_none_that_was_not_made(moves: list[tuple[str, bool, int]]) -> None:
    counters = dict.fromkeys("abc", 0)
    ledger, made = record(Ledger(), [reading(0, name) for name in counters], 0), 0
    for moment, (name, restarts, more) in enumerate(moves, 1):
        counters[name] = more if restarts else counters[name] + more
        made += more
        ledger = record(ledger, [reading(counters[name], name)], moment)
    assert answers(ledger) <= made
    if not any(restarts for _, restarts, _ in moves):
        assert answers(ledger) == made
