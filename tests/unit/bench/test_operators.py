"""What a model costs an operator at rest."""

import pytest
from bench.operators import Rest


def test_each_model_has_its_part_of_memory_and_of_a_minutes_cpu() -> None:
    rest = Rest(
        objects=200,
        seconds=30.0,
        quiet_cpu_seconds=0.5,
        mutating={},
        noop_mutating={},
        noop_calls={},
        noop_cpu_seconds=1.0,
        noop_passes=200,
        empty_rss_mib=80.0,
        rss_mib=100.0,
    )
    assert rest.kib_each == pytest.approx(102.4)
    assert rest.milliseconds_each == pytest.approx(5.0)
