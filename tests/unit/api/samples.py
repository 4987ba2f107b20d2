"""The sample manifests in `tests/samples`, as the tests of this folder read them."""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "samples"
GOOD = sorted((FOLDER / "good").glob("*.yaml"))
BAD = sorted((FOLDER / "bad").glob("*.yaml"))


def load(path: Path) -> dict[str, Any]:
    """The one manifest in `path`."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def expectation(path: Path) -> str:
    """What the refusal of a bad sample must contain: its first line says it."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# expect: "), f"{path.name} does not begin with '# expect: '"
    return first.removeprefix("# expect: ")


def minimal(**spec: Any) -> dict[str, Any]:
    """A manifest that is admitted, with more in its spec."""
    return {
        "apiVersion": "serving.serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "iris"},
        "spec": {"model": {"uri": "configmap://iris-model/model.onnx"}, **spec},
    }
