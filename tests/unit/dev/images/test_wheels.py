"""The build finds its wheels, and pip among them."""

from pathlib import Path

import pytest
from dev.cluster.console import ClusterError
from dev.images import wheels


def test_folder_changes_with_requirements_and_python() -> None:
    keys = {wheels.key([b"a"], "3.11"), wheels.key([b"b"], "3.11"), wheels.key([b"a"], "3.13")}
    assert len(keys) == 3


def test_build_installs_from_the_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "pip-26.3-py3-none-any.whl").touch()
    assert wheels.build_arguments(tmp_path) == {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/wheels",
        "PYTHONPATH": "/wheels/pip-26.3-py3-none-any.whl",
    }


def test_folder_without_pip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no wheel of pip"):
        wheels.build_arguments(tmp_path)
