"""Envoy's files: whole ones only, and never fewer than it needs."""

import json
from pathlib import Path
from typing import Any

import pytest

from serinus_gateway.agent import known_clusters
from serinus_gateway.description import Endpoint, Fleet, Frontage, Model, Share
from serinus_gateway.files import ConfigFolder
from serinus_gateway.render import Documents, bootstrap, render


def documents(*ports: int, revision: str = "r-1") -> Documents:
    share = Share(revision, 100, False, (Endpoint("10.0.0.7", 8080),))
    return render(Fleet(tuple(Model("ml", f"m{port}", port, (share,)) for port in ports)), Frontage())


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_lists_come_after_what_they_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    plain = Path.replace

    def noting(self: Path, target: Any) -> Path:
        written.append(str(Path(target).relative_to(tmp_path)))
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", noting)
    ConfigFolder(tmp_path).write(documents(20000))
    assert written[-2:] == ["cds/cds.json", "lds/lds.json"]
    assert set(written[:-2]) == {f"rds-{shard}/rds.json" for shard in range(8)}


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    folder = ConfigFolder(tmp_path)
    assert len(folder.write(documents(20000, 20001))) == 10
    assert folder.write(documents(20000, 20001)) == frozenset()
    assert files(tmp_path) == set(documents(20000, 20001))
    assert folder.write(documents(20001)) == {"rds-0/rds.json", "cds/cds.json", "lds/lds.json"}
    assert folder.write(documents(20001, revision="r-2")) == {"rds-1/rds.json", "cds/cds.json"}
    assert files(tmp_path) == set(documents()), "and nothing half-written lies about"


def test_start_leaves_what_an_agent_has_written(tmp_path: Path) -> None:
    folder = ConfigFolder(tmp_path)
    empty = render(Fleet(), Frontage())
    path = folder.prepare(bootstrap(Frontage()), empty)
    assert json.loads(path.read_text()) == bootstrap(Frontage())
    assert files(tmp_path) == {"bootstrap.json", *empty}
    folder.write(documents(20000))
    ConfigFolder(tmp_path).prepare(bootstrap(Frontage()), empty)
    assert files(tmp_path) == {"bootstrap.json", *documents(20000)}
    assert len(json.loads((tmp_path / "lds/lds.json").read_text())["resources"]) == 1


def test_clusters_of_an_agent_before_are_known(tmp_path: Path) -> None:
    assert known_clusters(tmp_path) == frozenset()
    ConfigFolder(tmp_path).write(documents(20000))
    assert "ml/r-1" in known_clusters(tmp_path)
