"""Rollouts in the operator's own metrics: where each is, and what came of its verdicts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Model = tuple[str, str]
"""Namespace and name."""
Rollouts = Callable[[], Iterable[tuple[str, str, Mapping[str, Any]]]]
"""Namespace and name of each model that there is, and `status.rollout` as it was written."""


class RolloutMetrics(Collector):
    """Read when scraped, so that a model that is gone leaves nothing behind."""

    def __init__(self) -> None:
        self._rollouts: Rollouts = tuple
        self._verdicts: Counter[tuple[Model, str, str]] = Counter()
        self._aborts: Counter[tuple[Model, str]] = Counter()

    def follow(self, rollouts: Rollouts) -> None:
        """Look there when scraped."""
        self._rollouts = rollouts

    def count(self, model: Model, metric: str, result: str) -> None:
        """One verdict more; or, without a metric, one candidate that is taken back for the reason `result`."""
        if metric:
            self._verdicts[model, metric, result] += 1
        else:
            self._aborts[model, result] += 1

    def describe(self) -> Iterable[Metric]:
        """Nothing is known in advance."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One row per model, and per metric and result; counters begin anew with the process."""
        name = ["namespace", "name"]
        phase = GaugeMetricFamily("serinus_rollout_phase", "1 for the phase of the rollout", labels=[*name, "phase"])
        weight = GaugeMetricFamily("serinus_rollout_requested_weight", "Percent asked for the candidate", labels=name)
        split = GaugeMetricFamily(
            "serinus_rollout_weight_verified", "1 if the pods count the share that is asked for, else 0", labels=name
        )
        verdicts = CounterMetricFamily(
            "serinus_rollout_verdicts", "Verdicts by metric and result", labels=[*name, "metric", "result"]
        )
        aborts = CounterMetricFamily("serinus_rollout_aborts", "Candidates taken back", labels=[*name, "reason"])
        present: set[Model] = set()
        for namespace, model, rollout in self._rollouts():
            present.add((namespace, model))
            if rollout:
                phase.add_metric([namespace, model, rollout.get("phase", "Stable")], 1)
                weight.add_metric([namespace, model], rollout.get("requestedWeight") or 0)
            if (verified := rollout.get("weightVerified")) in ("True", "False"):
                split.add_metric([namespace, model], verified == "True")
        self._forget(present)
        for (about, metric, result), count in self._verdicts.items():
            verdicts.add_metric([*about, metric, result], count)
        for (about, reason), count in self._aborts.items():
            aborts.add_metric([*about, reason], count)
        yield from (phase, weight, split, verdicts, aborts)

    def _forget(self, present: set[Model]) -> None:
        self._verdicts = Counter({key: count for key, count in self._verdicts.items() if key[0] in present})
        self._aborts = Counter({key: count for key, count in self._aborts.items() if key[0] in present})
