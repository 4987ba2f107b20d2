"""Waiting ends with the condition, the deadline, or the reason why it cannot come."""

import pytest
from dev.cluster.console import ClusterError
from dev.cluster.waiting import until


def test_condition_that_holds_ends_the_wait() -> None:
    answers = iter([False, False, True])
    until(lambda: next(answers), what="the node", seconds=60)


def test_deadline_names_what_did_not_come() -> None:
    with pytest.raises(ClusterError, match="the node: not within 0 s"):
        until(lambda: False, what="the node", seconds=0)


def test_broken_part_ends_the_wait_at_once() -> None:
    with pytest.raises(ClusterError, match="the node: etcd exited"):
        until(lambda: False, what="the node", seconds=3600, broken=lambda: "etcd exited")
