"""One pod's metrics page, read as the counts that windows are made of. Pure; called with what a scrape brought.

code, via                  counts as
─────────────────────────  ──────────────────────────────────────────
any, `shadow`              nothing: copies were asked for by nobody
429                        nothing: saturation is no fault of a model
500 and above              an answer, an error
200 to 299                 an answer, and its latency
any other                  an answer

Whether outputs are finite numbers is counted apart, since a runtime of an earlier version does not tell.
"""

from collections import defaultdict
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from serinus_api.runtime import LATENCY_BUCKETS, METRIC_DURATION, METRIC_OUTPUTS
from serinus_operator.decide.windows import Reading, Tally

TOO_MANY = 429
BUCKET, COUNT = f"{METRIC_DURATION}_bucket", f"{METRIC_DURATION}_count"


def reading_of(process: str, revision: str, page: str) -> Reading | None:
    """The counters of a process, or None where the page is not one that our runtime writes."""
    try:
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        return Reading(process, revision, _tally(samples))
    except (ValueError, KeyError):
        return None


def _tally(samples: Iterable[Sample]) -> Tally:
    answers = errors = split = checked = invalid = 0
    cumulated: dict[float, int] = defaultdict(int)
    for sample in samples:
        if sample.name == METRIC_OUTPUTS and sample.labels["via"] != "shadow":
            checked += int(sample.value)
            invalid += int(sample.value) if sample.labels["result"] == "invalid" else 0
        if sample.name not in (BUCKET, COUNT):
            continue
        code, via = int(sample.labels["code"]), sample.labels["via"]
        if via == "shadow" or code == TOO_MANY:
            continue
        count = int(sample.value)
        if sample.name == BUCKET and 200 <= code < 300:
            cumulated[float(sample.labels["le"])] += count
        elif sample.name == COUNT:
            answers += count
            errors += count if code >= 500 else 0
            split += count if via == "split" else 0
    return Tally(
        answers=answers, errors=errors, latency=_apart(cumulated), split=split, checked=checked, invalid=invalid
    )


def _apart(cumulated: dict[float, int]) -> tuple[int, ...]:
    """Counts per bucket from counts up to each bound."""
    bounds = (*LATENCY_BUCKETS, float("inf"))
    known = [cumulated[bound] for bound in bounds] if cumulated else []
    return tuple(count - before for count, before in zip(known, [0, *known], strict=False))
