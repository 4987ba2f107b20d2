"""The generated files: fresh, stable, small."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from serinus_api import generate
from serinus_api.editor import editor_schema

CRD_FILE = "crds/serving.serinus.dev_modeldeployments.yaml"


def test_committed_files_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_check_names_the_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--root", str(tmp_path)]) == 0
    (tmp_path / CRD_FILE).write_text("edited by hand\n")
    assert generate.main(["--check", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"stale: {CRD_FILE} (run `make manifests`)\n"


def test_writing_twice_writes_nothing_the_second_time(tmp_path: Path) -> None:
    assert len(generate.write_files(tmp_path)) == 4
    assert generate.write_files(tmp_path) == []


def test_crd_is_below_100_kilobytes() -> None:
    assert len(generate.outputs()[CRD_FILE].encode()) < 100_000


def test_the_charts_crd_is_the_same() -> None:
    outputs = generate.outputs()
    assert outputs["charts/serinus/files/crd.yaml"] == outputs[CRD_FILE]
    assert "{{" not in outputs[CRD_FILE], "the chart would take it for a template"


def test_crd_survives_yaml() -> None:
    from serinus_api.crd import crd

    assert yaml.safe_load(generate.outputs()[CRD_FILE]) == json.loads(json.dumps(crd()))


def test_editor_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(editor_schema())


def test_reference_names_every_field() -> None:
    from tests.unit.api.schema_walk import spec_nodes, status_nodes

    page = generate.outputs()["docs/reference/api.md"]
    for path in (*spec_nodes(), *status_nodes()):
        if not path.endswith(("[]", ".*")) and "." in path:
            assert f"| `{path.rsplit('.', 1)[1]}` |" in page


def test_reference_links_lead_somewhere() -> None:
    import re

    page = generate.outputs()["docs/reference/api.md"]
    headings = {re.sub(r"[^a-z0-9_-]", "", line[3:].lower()) for line in page.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= headings
