"""The house rules of imports and folders, and that breaking one is noticed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = {
    "serinus_api": "crds",
    "serinus_operator": "operator",
    "serinus_runtime": "serving",
    "serinus_gateway": "serving",
}
"""Package and folder."""
LINTER = Path(sys.executable).with_name("lint-imports")

BREACHES = {
    "serinus_api.names": ["import serinus_operator.state"],
    "serinus_runtime.logs": ["import serinus_operator.state"],
    "serinus_runtime.errors": ["import serinus_gateway.world"],
    "serinus_gateway.world": ["import time"],
    "serinus_gateway.render.routes": ["import os", "import serinus_gateway.files"],
    "serinus_gateway.plan": ["import serinus_gateway.hold"],
    "serinus_gateway.dial": ["import kopf", "import kubernetes"],
    "serinus_operator.state": ["import serinus_operator.decide", "import socket"],
    "serinus_operator.cache": ["import serinus_operator.reconcile"],
    "serinus_operator.decide.rollout": ["import time", "import serinus_operator.cluster.port"],
    "serinus_operator.decide.traffic": ["import serinus_operator.sneaky"],
    "serinus_operator.decide.history": ["import serinus_operator.render"],
    "serinus_operator.render.network": ["import logging", "import os"],
    "serinus_operator.report.status": ["import random", "import serinus_operator.clock"],
    "serinus_operator.report.conditions": ["import asyncio"],
    "serinus_operator.drift": ["import aiohttp"],
    "serinus_operator.observe": ["import kubernetes"],
    "serinus_operator.apply": ["import kopf"],
    "serinus_operator.sneaky": ["import kopf", "import time"],
}
"""By module, imports that must not be there. `sneaky` is a new module between a pure one and what it must not reach."""


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the packages of a tree, by the contracts of its pyproject.toml."""
    paths = ":".join(str(tree / folder) for folder in dict.fromkeys(PROGRAMS.values()))
    return subprocess.run(
        [LINTER, "--no-cache", "--config", str(tree / "pyproject.toml")],
        cwd=tree,
        env={"PYTHONPATH": paths, "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package, folder in PROGRAMS.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder / package, tmp_path / folder / package, ignore=ignored)
    return tmp_path


def test_contracts_are_kept(copied: Path) -> None:
    result = lint(copied)
    assert result.returncode == 0, result.stdout
    assert "BROKEN" not in result.stdout
    assert len(re.findall("KEPT", result.stdout)) >= 6


def test_every_wrong_import_is_noticed(copied: Path) -> None:
    for module, imports in BREACHES.items():
        path = copied / PROGRAMS[module.partition(".")[0]] / Path(*module.split(".")).with_suffix(".py")
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text("\n".join([text, *imports, ""]), encoding="utf-8")
    result = lint(copied)
    assert result.returncode == 1
    assert "KEPT" not in result.stdout, "each contract has its breach"
    for module, imports in BREACHES.items():
        for wrong in imports:
            target = wrong.removeprefix("import ")
            assert re.search(rf"{re.escape(module)} -> {re.escape(target)}\b", result.stdout), f"{module} -> {target}"


def test_folder_operator_holds_no_python_of_its_own() -> None:
    """It would shadow the standard library's `operator` for whoever starts Python in the root of the repository."""
    assert [path.name for path in (ROOT / "operator").glob("*.py")] == []
    program = "import operator, sys; sys.exit(operator.itemgetter(0)([0]))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_reconcile_stays_short_enough_to_be_read_first() -> None:
    assert len((ROOT / "operator/serinus_operator/reconcile.py").read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("folder", ["crds", "operator", "serving", "dev", "bench", "tests", "examples"])
def test_no_module_is_longer_than_400_lines(folder: str) -> None:
    modules = list((ROOT / folder).rglob("*.py"))
    assert modules
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
