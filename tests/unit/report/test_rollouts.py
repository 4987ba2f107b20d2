"""The operator's metrics of rollouts: phases from the statuses, verdicts and aborts as they are told."""

from prometheus_client import CollectorRegistry, generate_latest

from serinus_operator.report.rollouts import RolloutMetrics

WHO = 'name="iris",namespace="ml"'
FAIL = ("errors", "Fail")
ABORT = ("", "AnalysisFailed")


def told(*what: tuple[str, str], phase: str | None = "Stepping", present: bool = True, **more: str) -> str:
    metrics, registry = RolloutMetrics(), CollectorRegistry()
    registry.register(metrics)
    status = {"phase": phase, "requestedWeight": 25, **more} if phase else {}
    metrics.follow(lambda: [("ml", "iris", status)] if present else [])
    for one in what:
        metrics.count(("ml", "iris"), *one)
    return generate_latest(registry).decode()


def test_phase_and_weight_are_those_of_the_status() -> None:
    assert f'serinus_rollout_phase{{{WHO},phase="Stepping"}} 1.0' in told()
    assert f"serinus_rollout_requested_weight{{{WHO}}} 25.0" in told()
    assert WHO not in told(phase=None)


def test_split_is_verified_or_not_and_nothing_is_said_while_too_few_were_counted() -> None:
    name = f"serinus_rollout_weight_verified{{{WHO}}}"
    assert f"{name} 1.0" in told(weightVerified="True")
    assert f"{name} 0.0" in told(weightVerified="False")
    assert name not in told(weightVerified="Unknown")
    assert name not in told()


def test_verdicts_are_counted_by_metric_and_result_and_aborts_by_reason() -> None:
    text = told(FAIL, FAIL, ABORT)
    verdicts = f'serinus_rollout_verdicts_total{{metric="errors",{WHO},result="Fail"}} 2.0'
    assert verdicts in text
    assert f'serinus_rollout_aborts_total{{{WHO},reason="AnalysisFailed"}} 1.0' in text


def test_model_that_is_gone_leaves_nothing_behind() -> None:
    assert WHO not in told(FAIL, ABORT, present=False)
