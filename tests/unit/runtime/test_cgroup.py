"""What the kernel grants, in both versions of control groups, inside and outside of a container."""

import os
import resource
from pathlib import Path

import pytest

from serinus_runtime.cgroup import ControlGroup, own_control_group

V1 = "9:memory:/pods/a\n4:cpu,cpuacct:/pods/a\n0::/\n"
V2 = "0::/pods/a\n"


def files(root: Path, **texts: str) -> Path:
    """A hierarchy with these files; `__` is a folder, `_` a dot."""
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_version_two_is_read_where_the_group_is(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        pods__a__memory_DOT_max="1000\n",
        pods__a__memory_DOT_peak="700\n",
        pods__a__cpu_DOT_max="150000 100000\n",
    )
    group = ControlGroup(V2, root)
    assert (group.memory_limit(), group.memory_peak(), group.cpus()) == (1000, 700, 2)


def test_version_two_is_read_at_the_root_when_the_path_is_the_hosts(tmp_path: Path) -> None:
    root = files(tmp_path, memory_DOT_max="1000\n", memory_DOT_peak="700\n", cpu_DOT_max="50000 100000\n")
    group = ControlGroup(V2, root)
    assert (group.memory_limit(), group.memory_peak(), group.cpus()) == (1000, 700, 1)


@pytest.mark.parametrize("inside", ["", "pods/a/"])
def test_version_one_is_read(tmp_path: Path, inside: str) -> None:
    for name, text in {
        f"memory/{inside}memory.limit_in_bytes": "1000\n",
        f"memory/{inside}memory.max_usage_in_bytes": "700\n",
        f"cpu,cpuacct/{inside}cpu.cfs_quota_us": "250000\n",
        f"cpu,cpuacct/{inside}cpu.cfs_period_us": "100000\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    group = ControlGroup(V1, tmp_path)
    assert (group.memory_limit(), group.memory_peak(), group.cpus()) == (1000, 700, 3)


@pytest.mark.parametrize("text", ["max", "9223372036854771712", "nonsense"])
def test_no_limit_is_not_known(tmp_path: Path, text: str) -> None:
    assert ControlGroup(V2, files(tmp_path, memory_DOT_max=text)).memory_limit() is None


@pytest.mark.parametrize("text", ["max 100000", "nonsense", "", "-1 100000", "100000 0"])
def test_without_a_quota_all_cpus_of_the_process_count(tmp_path: Path, text: str) -> None:
    assert ControlGroup(V2, files(tmp_path, cpu_DOT_max=text)).cpus() == len(os.sched_getaffinity(0))


def test_processor_time_is_read_in_both_versions(tmp_path: Path) -> None:
    two = files(tmp_path / "two", cpu_DOT_stat="usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n")
    assert ControlGroup(V2, two).cpu_seconds() == 1.5
    path = tmp_path / "one" / "cpu,cpuacct" / "cpuacct.usage"
    path.parent.mkdir(parents=True)
    path.write_text("2500000000\n")
    assert ControlGroup(V1, tmp_path / "one").cpu_seconds() == 2.5
    assert ControlGroup(V2, tmp_path / "none").cpu_seconds() is None


def test_without_control_groups_the_process_is_asked(tmp_path: Path) -> None:
    group = ControlGroup("", tmp_path)
    assert group.memory_limit() is None
    assert group.memory_peak() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_this_process_has_an_answer() -> None:
    assert own_control_group().memory_peak() > 1024**2
    assert own_control_group().cpus() >= 1
