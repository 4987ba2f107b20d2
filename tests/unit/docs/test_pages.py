"""What the pages show of the iris example is what it is: the manifest, the revisions' names, the digests."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeploymentSpec, spec_hash

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
PAGES = ("README.md", "docs/getting-started.md", "docs/local-mode.md")
REVISION = re.compile(r"\biris-[0-9a-f]{8}\b")
DIGEST = re.compile(r"sha256:[0-9a-f]{12,}")


def revision_and_digest(file: str) -> tuple[str, str]:
    """What the operator makes of an example."""
    found = {m["kind"]: m for m in yaml.safe_load_all((EXAMPLES / file).read_text())}
    data = base64.b64decode(found["ConfigMap"]["binaryData"]["model.onnx"])
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    spec = ModelDeploymentSpec.model_validate(found["ModelDeployment"]["spec"])
    return names.revision_name("iris", spec_hash(spec), digest), digest


FIRST, IMPROVED = revision_and_digest("iris.yaml"), revision_and_digest("iris/improved.yaml")


def test_manifest_on_the_first_screen_is_the_example() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown == (EXAMPLES / "iris.yaml").read_text().partition("\n---\n")[2]


@pytest.mark.parametrize("page", PAGES)
def test_revisions_and_digests_of_a_transcript_are_those_of_the_examples(page: str) -> None:
    text = (ROOT / page).read_text()
    revisions, digests = set(REVISION.findall(text)), set(DIGEST.findall(text))
    assert FIRST[0] in revisions
    assert revisions <= {FIRST[0], IMPROVED[0]}
    known = (FIRST[1], IMPROVED[1])
    assert [digest for digest in digests if not any(whole.startswith(digest) for whole in known)] == []
    if page != "docs/local-mode.md":
        assert FIRST[1][:19] in digests


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_size_of_the_model_is_told_right(page: str) -> None:
    data: dict[str, Any] = next(yaml.safe_load_all((EXAMPLES / "iris.yaml").read_text()))
    size = len(base64.b64decode(data["binaryData"]["model.onnx"]))
    assert f"model of {size} bytes" in (ROOT / page).read_text()


def test_tests_that_the_gateways_page_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "gateway.md").read_text()))
    files = (ROOT / "tests" / "component" / "gateway").glob("test_*.py")
    there = {name for file in files for name in re.findall(r"^async def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert len(named) > 20
    assert named <= there
