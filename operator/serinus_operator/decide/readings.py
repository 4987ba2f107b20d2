"""One pod's metrics page, read as the counts that windows are made of. Pure; called with what a scrape brought.

code, via                  counts as
─────────────────────────  ──────────────────────────────────────────
any, `shadow`              nothing: copies were asked for by nobody
429                        nothing: saturation is no fault of a model
500 and above              an answer, an error
200 to 299                 an answer, and its latency
any other                  an answer

Whether outputs are finite numbers is counted apart, since a runtime of an earlier version does not tell. What a pod has
found by copying its requests to a candidate is a reading of the candidate, of which this pod is the witness.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from serinus_api.runtime import (
    LATENCY_BUCKETS,
    METRIC_DURATION,
    METRIC_OUTPUTS,
    METRIC_SHADOW_COMPARED,
    METRIC_SHADOW_DIFFERENCE,
    METRIC_SKETCH,
    SKETCH_BINS,
    SKETCH_OUTPUTS,
)
from serinus_operator.decide.demand import MOST
from serinus_operator.decide.windows import Reading, Tally

TOO_MANY = 429
BUCKET, COUNT = f"{METRIC_DURATION}_bucket", f"{METRIC_DURATION}_count"


def readings_of(process: str, revision: str, page: str) -> tuple[Reading, ...]:
    """The counters of a process, and what it has seen of candidates; none of a page that our runtime does not write."""
    try:
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        return (Reading(process, revision, _tally(samples)), *_witnessed(process, revision, samples))
    except (ValueError, KeyError):
        return ()


def _tally(samples: Iterable[Sample]) -> Tally:
    answers = errors = split = checked = invalid = 0
    cumulated: dict[float, int] = defaultdict(int)
    drawn: dict[int, int] = defaultdict(int)
    for sample in samples:
        if sample.name == METRIC_SKETCH:
            drawn[int(sample.labels["bin"])] += _count(sample)
        if sample.name == METRIC_OUTPUTS and sample.labels["via"] != "shadow":
            checked += _count(sample)
            invalid += _count(sample) if sample.labels["result"] == "invalid" else 0
        if sample.name not in (BUCKET, COUNT):
            continue
        code, via = int(sample.labels["code"]), sample.labels["via"]
        if via == "shadow" or code == TOO_MANY:
            continue
        count = _count(sample)
        if sample.name == BUCKET and 200 <= code < 300:
            cumulated[float(sample.labels["le"])] += count
        elif sample.name == COUNT:
            answers += count
            errors += count if code >= 500 else 0
            split += count if via == "split" else 0
    return Tally(
        answers=answers,
        errors=errors,
        latency=_apart(cumulated),
        split=split,
        checked=checked,
        invalid=invalid,
        outputs=_sketched(drawn),
    )


def _witnessed(process: str, revision: str, samples: Iterable[Sample]) -> Iterator[Reading]:
    """How often another revision answered alike, and the largest difference; a pod says nothing of its own revision."""
    compared: dict[str, int] = defaultdict(int)
    agreed: dict[str, int] = defaultdict(int)
    largest: dict[str, float] = {}
    for sample in samples:
        if sample.name == METRIC_SHADOW_COMPARED:
            compared[sample.labels["candidate"]] += _count(sample)
            agreed[sample.labels["candidate"]] += _count(sample) if sample.labels["agree"] == "true" else 0
        elif sample.name == METRIC_SHADOW_DIFFERENCE:
            largest[sample.labels["candidate"]] = abs(sample.value)
    for name in compared:
        if name != revision:
            counters = Tally(compared=compared[name], agreed=agreed[name])
            yield Reading(f"{process}/{name}", name, counters, witness=True, difference=largest.get(name, 0.0))


def _count(sample: Sample) -> int:
    """A pod's page is not trusted: a count is a number that can be one."""
    if not 0 <= sample.value <= MOST:
        raise ValueError(f"{sample.name} is {sample.value}")
    return int(sample.value)


def _sketched(drawn: dict[int, int]) -> tuple[int, ...]:
    """Counts of all bins, one output after the other."""
    if not drawn:
        return ()
    bins = range(SKETCH_OUTPUTS * SKETCH_BINS)
    if odd := next((number for number in drawn if number not in bins), None):
        raise ValueError(f"there is no bin {odd}")
    return tuple(drawn.get(number, 0) for number in bins)


def _apart(cumulated: dict[float, int]) -> tuple[int, ...]:
    """Counts per bucket from counts up to each bound."""
    bounds = (*LATENCY_BUCKETS, float("inf"))
    known = [cumulated[bound] for bound in bounds] if cumulated else []
    return tuple(count - before for count, before in zip(known, [0, *known], strict=False))
