"""`serinus init`: what it writes is valid, and the sample request is one that the model takes."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper
from tests.models.bad import not_onnx
from tests.models.build import encoded, value
from tests.models.build import model as onnx_model
from tests.models.good import adder, doubler, echo, everything

from serinus_operator.cli.check import check
from serinus_operator.cli.documents import read
from serinus_operator.cli.exits import Fault
from serinus_operator.cli.init import init


def picture() -> bytes:
    """An input of 1 x 3 x 224 x 224, too large to be written down."""
    image = ("n", 3, 224, 224)
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    return encoded(onnx_model(nodes, [value("x", TensorProto.FLOAT, *image)], [value("y", TensorProto.FLOAT, *image)]))


def written(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "m.onnx").write_bytes(data)
    assert init("m", tmp_path / "m.onnx", tmp_path / "m.yaml", force=False) == 0
    return tmp_path / "m.yaml"


def request_of(text: str) -> dict[str, Any]:
    """The body of the sample request, as a shell would send it."""
    lines = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    start = next(n for n, line in enumerate(lines) if line.startswith(("curl", "python3")))
    words = shlex.split("\n".join(lines[start:]).replace("\\\n", " "))
    if words[0] == "python3":
        made = subprocess.run(words[:3], capture_output=True, check=True, timeout=60)
        return dict(json.loads(made.stdout))
    return dict(json.loads(words[words.index("-d") + 1]))


MODELS = {"a doubler": doubler, "two inputs": adder, "every datatype": everything, "texts": lambda: echo("BYTES"),
          "a picture": picture}  # fmt: skip


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_manifest_is_valid_and_the_request_fits(tmp_path: Path, make: Any) -> None:
    file = written(tmp_path, make())
    (item,) = check(read(file).documents)
    assert item.problems == ()
    for tensor in request_of(file.read_text())["inputs"]:
        count = 1
        for dim in tensor["shape"]:
            count *= dim
        assert len(tensor["data"]) == count


def test_names_shapes_and_digest_are_those_of_the_model(tmp_path: Path) -> None:
    text = written(tmp_path, doubler()).read_text()
    assert '#   "x" FP32 [any, 4]' in text
    assert '#   "y" FP32 [any, 4]' in text
    assert 'uri: "file://m.onnx"' in text
    assert request_of(text)["inputs"][0]["data"] == [0.0, 0.0, 0.0, 0.0]


def test_pin_in_the_comment_is_taken(tmp_path: Path) -> None:
    file = written(tmp_path, doubler())
    file.write_text(file.read_text().replace("# digest:", "digest:"))
    assert check(read(file).documents)[0].problems == ()


def test_file_is_overwritten_only_by_force(tmp_path: Path) -> None:
    file = written(tmp_path, doubler())
    file.write_text("mine")
    with pytest.raises(Fault, match="exists; --force overwrites it"):
        init("m", tmp_path / "m.onnx", file, force=False)
    assert file.read_text() == "mine"
    init("m", tmp_path / "m.onnx", file, force=True)
    assert "kind: ModelDeployment" in file.read_text()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(not_onnx())
    with pytest.raises(Fault, match=r"m\.onnx: LoadFailed: "):
        init("m", tmp_path / "m.onnx", tmp_path / "m.yaml", force=False)
    with pytest.raises(Fault, match="no such file"):
        init("m", tmp_path / "absent.onnx", tmp_path / "m.yaml", force=False)


def test_bad_name_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(doubler())
    with pytest.raises(Fault, match="becomes a Service") as refused:
        init("Not A Name", tmp_path / "m.onnx", tmp_path / "m.yaml", force=False)
    assert refused.value.code == 2
    assert not (tmp_path / "m.yaml").exists()
