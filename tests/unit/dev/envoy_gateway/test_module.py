"""Envoy Gateway's chart as its release makes it, and what names what is built."""

from dataclasses import replace
from pathlib import Path

import pytest
from dev.cluster import build
from dev.cluster.console import ClusterError
from dev.envoy_gateway import image, module

NAME = "docker.io/library/serinus-test-envoy-gateway:1"


def test_blanks_of_the_charts_values_are_filled() -> None:
    template = "image: ${GatewayImage}\npullPolicy: ${GatewayImagePullPolicy}\ncost: $5\n"
    assert module.filled(template, NAME) == f"image: {NAME}\npullPolicy: IfNotPresent\ncost: $5\n"


def test_blank_that_is_not_known_is_named() -> None:
    with pytest.raises(ClusterError, match="asks for Tag"):
        module.filled("tag: ${Tag}\n", NAME)


def test_program_is_installed_at_the_version_of_its_own_module() -> None:
    assert module.PROGRAM.command("go", Path("/out"))[-1] == f"{module.MODULE}/cmd/envoy-gateway@v{module.VERSION}"
    assert module.PROGRAM not in build.PROGRAMS, "a cluster alone does not need it"


def test_names_change_with_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    before = module.key(), image.reference()
    assert (module.key(), image.reference()) == before
    monkeypatch.setattr(module, "PROGRAM", replace(module.PROGRAM, version="1.9.2"))
    assert module.key() != before[0]
    assert image.reference() != before[1]


def test_files_other_than_those_that_were_looked_at_are_refused(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\necho \'{"Sum": "h1:other=", "Dir": "/nowhere"}\'\n')
    go.chmod(0o755)
    with pytest.raises(ClusterError, match="is h1:other=, and should be h1:"):
        module.sources(str(go))
