"""The alerts that the chart brings, as Prometheus itself reads and evaluates them."""

import itertools
import re
from pathlib import Path
from typing import Any

import yaml
from dev.cluster import packages
from dev.cluster.paths import default_layout
from tests.e2e.harness.helm import CHART
from tests.e2e.harness.kubectl import run

RULES = CHART / "files" / "alerts.yaml"
README = CHART.parents[1] / "README.md"
MODEL = {"namespace": "ml", "name": "iris"}
Series = dict[str, str]


def series(metric: str, values: str, /, **labels: str) -> Series:
    told = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{metric}{{{told}}}", "values": values}


ACTS = series("serinus_fence_held", "1x60", pod="a")
CASES: dict[str, tuple[list[Series], str, str]] = {
    "SerinusRolloutHeld": ([ACTS, series("serinus_rollout_phase", "1x60", **MODEL, phase="Held")], "9m", "10m"),
    "SerinusRolloutAborted": ([ACTS, series("serinus_rollout_phase", "_ 1x60", **MODEL, phase="Aborted")], "0m", "1m"),
    "SerinusWeightNotVerified": ([ACTS, series("serinus_rollout_weight_verified", "0x60", **MODEL)], "4m", "5m"),
    "SerinusNobodyActs": ([series("serinus_fence_held", "0x60", pod="b")], "4m", "5m"),
    "SerinusQueueStuck": ([ACTS, series("serinus_queue_oldest_seconds", "301x60", pod="b")], "4m", "5m"),
}
"""What is scraped each minute, the last minute without the alert, the first one with it."""


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in itertools.chain.from_iterable(group["rules"] for group in groups)}


def case(alert: str, rule: dict[str, Any]) -> dict[str, Any]:
    """As promtool wants it: this alert at its time, and no other one by then."""
    scraped, before, after = CASES[alert]
    about = MODEL if "by (namespace, name)" in rule["expr"] else {}
    annotations = {key: filled(text, about) for key, text in rule["annotations"].items()}
    fired = [{"exp_labels": {**rule["labels"], **about}, "exp_annotations": annotations}]
    asked: list[dict[str, Any]] = [{"eval_time": before, "alertname": name, "exp_alerts": []} for name in CASES]
    asked.append({"eval_time": after, "alertname": alert, "exp_alerts": fired})
    return {"name": alert, "interval": "1m", "input_series": scraped, "alert_rule_test": asked}


def filled(text: str, labels: dict[str, str]) -> str:
    """As Prometheus fills in the labels."""
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def test_each_alert_fires_after_its_time_and_no_other_one(tmp_path: Path) -> None:
    promtool = packages.unpacked("prometheus", default_layout().cache / "debian") / "usr" / "bin" / "promtool"
    run(promtool, "check", "rules", "--lint-fatal", RULES)
    tests = [case(alert, rule) for alert, rule in rules().items()]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    run(promtool, "test", "rules", file)


def test_alerts_speak_of_metrics_that_the_readme_lists() -> None:
    assert set(rules()) == set(CASES)
    names = {name for rule in rules().values() for name in re.findall(r"serinus_\w+", rule["expr"])}
    assert not {name for name in names if name not in README.read_text()}
