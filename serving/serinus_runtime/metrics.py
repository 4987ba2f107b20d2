"""What the second port tells: Prometheus text for scrapers, a LoadReport for the operator. Plain numbers, no library.

`app.py` counts, the private endpoint renders.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from serinus_api.runtime import (
    LATENCY_BUCKETS,
    METRIC_DURATION,
    METRIC_IN_FLIGHT,
    METRIC_MODEL_INFO,
    METRIC_OUTPUTS,
    METRIC_QUEUED,
    METRIC_REJECTED,
    METRIC_SHADOW_COMPARED,
    METRIC_SHADOW_DIFFERENCE,
    METRIC_SHADOW_DROPPED,
    METRIC_SHADOW_FAILED,
    METRIC_SHADOW_SENT,
    METRIC_SKETCH,
    VIA,
    LoadReport,
)
from serinus_runtime.limits import Gate
from serinus_runtime.shadow import Shadow, ShadowCounts

if TYPE_CHECKING:
    from serinus_runtime.codec import EncodedAnswer

SKETCHED = ("direct", "split")
ANSWERS = (200, 503)
"""Codes that tell how long the model takes: its answers, and those that came too late. A refusal (429) is quick."""


class Series:
    """One histogram."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BUCKETS) + 1)
        self.seconds = 0.0


class Metrics:
    """Counters of one process; they only rise."""

    def __init__(
        self,
        revision: str,
        gate: Gate,
        cpu_seconds: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        shadow: Shadow | None = None,
    ) -> None:
        self._revision = revision
        self._gate = gate
        self._cpu_seconds = cpu_seconds
        self._clock = clock
        self._shadow = shadow
        self._started = clock()
        self._series: dict[tuple[str, int], Series] = {}
        self.arrivals = dict.fromkeys(VIA, 0)
        self.outputs = {(via, invalid): 0 for via in VIA for invalid in (False, True)}
        """Answers by how their requests came, and by whether an output was no finite number."""
        self.sketch: Counter[int] = Counter()
        """One value of each answer, by bin; at most `SKETCH_OUTPUTS * SKETCH_BINS` of them."""
        self.digest = ""
        self._source_changed: str | None = None

    def tell_source(self, change: str | None) -> None:
        """Note what differs between the source now and the bytes served."""
        self._source_changed = change

    def observe(self, via: str, code: int, seconds: float) -> None:
        """Count one answer."""
        series = self._series.get((via, code))
        if series is None:
            series = self._series[via, code] = Series()
        series.counts[bisect_left(LATENCY_BUCKETS, seconds)] += 1
        series.seconds += seconds

    def count(self, via: str, answer: "EncodedAnswer") -> None:
        """Look at what was answered. Copies and testers' requests are not drawn as those of all others are."""
        self.outputs[via, answer.invalid] += 1
        if answer.drawn is not None and via in SKETCHED:
            self.sketch[answer.drawn] += 1

    def load_report(self) -> LoadReport:
        """The answer of `GET /load`."""
        return LoadReport(
            revision=self._revision,
            in_flight=self._gate.in_flight,
            queued=self._gate.queued,
            arrivals=dict(self.arrivals),
            busy_seconds=self._gate.busy_seconds(),
            uptime_seconds=round(self._clock() - self._started, 3),
            cpu_seconds=self._cpu_seconds(),
            latency_counts=self._latencies(),
            source_changed=self._source_changed,
        )

    def _latencies(self) -> tuple[int, ...]:
        told = [series.counts for (_, code), series in self._series.items() if code in ANSWERS]
        return tuple(map(sum, zip(*told, strict=True))) if told else (0,) * (len(LATENCY_BUCKETS) + 1)

    def render(self) -> str:
        """Prometheus text format, version 0.0.4."""
        lines = [
            f"# HELP {METRIC_DURATION} From a request's arrival to its answer.",
            f"# TYPE {METRIC_DURATION} histogram",
        ]
        for (via, code), series in self._series.items():
            lines += self._histogram(f'code="{code}",via="{via}",revision="{_escaped(self._revision)}"', series)
        revision = f'{{revision="{_escaped(self._revision)}"}}'
        gate = self._gate
        for name, kind, text, value in (
            (METRIC_IN_FLIGHT, "gauge", "Inferences in flight.", gate.in_flight),
            (METRIC_QUEUED, "gauge", "Requests that wait for a place in flight.", gate.queued),
            (METRIC_REJECTED, "counter", "Requests answered 429.", gate.rejected),
        ):
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name}{revision} {value}"]
        lines += [
            f"# HELP {METRIC_OUTPUTS} Answers, and whether all their outputs were finite numbers.",
            f"# TYPE {METRIC_OUTPUTS} counter",
        ]
        for (via, invalid), count in self.outputs.items():
            result = "invalid" if invalid else "finite"
            lines.append(
                f'{METRIC_OUTPUTS}{{revision="{_escaped(self._revision)}",via="{via}",result="{result}"}} {count}'
            )
        if self.sketch:
            lines += [f"# HELP {METRIC_SKETCH} One value of each answer, by bin.", f"# TYPE {METRIC_SKETCH} counter"]
        for number, count in sorted(self.sketch.items()):
            lines.append(f'{METRIC_SKETCH}{{revision="{_escaped(self._revision)}",bin="{number}"}} {count}')
        info = f'{{revision="{_escaped(self._revision)}",digest="{self.digest}"}}'
        lines += [
            f"# HELP {METRIC_MODEL_INFO} The model that is served.",
            f"# TYPE {METRIC_MODEL_INFO} gauge",
            f"{METRIC_MODEL_INFO}{info} {int(bool(self.digest))}",
        ]
        if self._shadow and self._shadow.counts:
            lines += self._copies(self._shadow.counts)
        return "\n".join(lines) + "\n"

    def _copies(self, counts: ShadowCounts) -> list[str]:
        """What became of the requests that were chosen for the candidate."""
        labels = f'revision="{_escaped(self._revision)}",candidate="{_escaped(counts.candidate)}"'
        lines = []
        for name, kind, text, series in (
            (METRIC_SHADOW_SENT, "counter", "Copies sent.", {"": counts.sent}),
            (METRIC_SHADOW_DROPPED, "counter", "Requests chosen, but not copied.", {"": counts.dropped}),
            (METRIC_SHADOW_FAILED, "counter", "Copies without an answer to compare.", {"": counts.failed}),
            (
                METRIC_SHADOW_COMPARED,
                "counter",
                "Copies whose answer was compared with the stable one's.",
                {',agree="true"': counts.agreed, ',agree="false"': counts.disagreed},
            ),
            (METRIC_SHADOW_DIFFERENCE, "gauge", "Largest absolute difference of an output.", {"": counts.largest}),
        ):
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{{{labels}{more}}} {value}" for more, value in series.items()]
        return lines

    def _histogram(self, labels: str, series: Series) -> list[str]:
        total = 0
        lines = []
        for bound, count in zip((*LATENCY_BUCKETS, "+Inf"), series.counts, strict=True):
            total += count
            lines.append(f'{METRIC_DURATION}_bucket{{{labels},le="{bound}"}} {total}')
        lines.append(f"{METRIC_DURATION}_sum{{{labels}}} {series.seconds:.6f}")
        lines.append(f"{METRIC_DURATION}_count{{{labels}}} {total}")
        return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
