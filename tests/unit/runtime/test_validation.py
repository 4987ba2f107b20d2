"""The arithmetic of a preflight's measurements."""

import subprocess
import sys

import pytest

from serinus_runtime.cgroup import own_peak
from serinus_runtime.validation import percentile


@pytest.mark.parametrize(
    ("values", "found"),
    [(range(1, 101), 95), (range(100, 0, -1), 95), ([1.0], 1.0), ([1, 2], 2), (range(1, 21), 19)],
    ids=["one to a hundred", "in any order", "one alone", "two", "twenty"],
)
def test_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], found: float) -> None:
    assert percentile(list(values), 95) == found


def test_peak_remembers_memory_that_was_given_back() -> None:
    before = own_peak()
    held = bytearray(b"x") * (before + 64 * 2**20)
    size = len(held)
    del held
    assert own_peak() >= size


def test_peak_is_the_programs_own_and_not_that_of_who_started_it() -> None:
    """The kernel hands a parent's peak on to a child's `ru_maxrss`."""
    held = bytearray(b"x") * (256 * 2**20)
    script = "from serinus_runtime.cgroup import own_peak; print(own_peak())"
    said = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True, timeout=60)
    assert 2**20 < int(said.stdout) < len(held)
