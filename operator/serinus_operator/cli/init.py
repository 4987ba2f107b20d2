"""`serinus init`: a commented manifest for an ONNX file, with names, shapes and a sample request from the model."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from serinus_api import names
from serinus_operator.cli import exits
from serinus_operator.cli.check import check
from serinus_operator.cli.documents import parse
from serinus_operator.cli.exits import Fault
from serinus_runtime.errors import InferenceFailed, InvalidRequest, ModelRefused
from serinus_runtime.model_store import combined_digest
from serinus_runtime.onnx_scan import MARK, external_locations
from serinus_runtime.session import ModelSession, zeros
from serinus_runtime.tensors import BYTES, Signature, Tensor

SIZES = (1, 16, 224)
"""For variable dimensions of the sample; the first that the model takes."""
LONGEST_DATA = 64
"""More numbers than these are made by a program instead of written down."""
MEBIBYTE = 1024 * 1024
LEAST_MEBIBYTES = 512


def init(name: str, model: Path, output: Path | None, *, force: bool) -> int:
    """Write the manifest and say where. Raises Fault."""
    target = output or Path(f"{name}.yaml")
    text = manifest(name, model, target)
    _refuse_bad_name(text, target)
    if str(target) == "-":
        print(text, end="")
        return exits.OK
    if target.exists() and not force:
        raise Fault(f"{target} exists; --force overwrites it, -o FILE names another")
    try:
        target.write_text(text)
    except OSError as error:
        raise Fault(f"{target} cannot be written: {error.strerror}") from error
    print(f"Wrote {target}; try: serinus run -f {target}")
    return exits.OK


def manifest(name: str, model: Path, target: Path) -> str:
    """The text of the manifest. Raises Fault for a file that is no model."""
    if not model.is_file():
        raise Fault(f"{model}: no such file")
    try:
        session = ModelSession(model, 1)
    except ModelRefused as error:
        raise Fault(f"{model}: {error.reason}: {error.message}") from error
    file_name = f"{name}.yaml" if str(target) == "-" else target.name
    memory = max(LEAST_MEBIBYTES, -(-3 * model.stat().st_size // MEBIBYTE) + 256)
    signature = session.signature
    return "\n".join(
        [
            f"# {name}: {model.name} as a service. Written by `serinus init`; change it as you like.",
            "#",
            f"#   serinus validate -f {file_name}",
            f"#   serinus run -f {file_name}",
            "#",
            *_described(signature),
            "#",
            "# A request, while `serinus run` runs:",
            "#",
            *(f"#   {line}" for line in _request(name, session)),
            f"apiVersion: {names.API_VERSION}",
            f"kind: {names.KIND}",
            "metadata:",
            f"  name: {json.dumps(name)}",
            "spec:",
            "  model:",
            "    # file:// is for local mode; in a cluster use configmap://, pvc:// or https://. A path",
            "    # without a leading slash begins at this file's folder.",
            f"    uri: {json.dumps(_uri(model, target))}",
            "    # Serve these bytes and no others: without the pin an edited file is served at the next start.",
            f"    # digest: {_digest(model)}",
            "  replicas: 1",
            "  runtime:",
            "    resources:",
            "      # A pod beyond this is ended, and a model that does not fit is refused.",
            f"      limits: {{memory: {memory}Mi}}",
            "    # maxConcurrency: 8          # requests at once per pod; more wait for a moment, then get 429",
            "    # requestTimeoutSeconds: 60",
            "",
        ]
    )


def _refuse_bad_name(text: str, target: Path) -> None:
    """The manifest must be one that `validate` takes."""
    problems = [p for item in check(parse(target, text).documents) for p in item.problems if not p.warning]
    if problems:
        raise Fault("; ".join(problem.message for problem in problems), exits.USAGE)


def _uri(model: Path, target: Path) -> str:
    """Relative when the model lies beside or below the manifest, so that the folder can move."""
    folder = Path.cwd() if str(target) == "-" else target.resolve().parent
    path = model.absolute()
    if path.is_relative_to(folder) and str(target) != "-":
        return f"file://{quote(str(path.relative_to(folder)))}"
    return f"file://{quote(str(path))}"


def _digest(model: Path) -> str:
    """What the runtime will find: of the file, or of the file and those that it refers to."""
    data = model.read_bytes()
    digests = {model.name: hashlib.sha256(data).hexdigest()}
    for location in external_locations(data) if MARK in data else ():
        with (model.parent / location).open("rb") as file:
            digests[location] = hashlib.file_digest(file, "sha256").hexdigest()
    return combined_digest(digests)


def _described(signature: Signature) -> list[str]:
    lines = [f"# {'Inputs' if len(signature.inputs) > 1 else 'Input'}:"]
    lines += [f"#   {_tensor(tensor)}" for tensor in signature.inputs]
    lines += [f"# {'Outputs' if len(signature.outputs) > 1 else 'Output'}:"]
    lines += [f"#   {_tensor(tensor)}" for tensor in signature.outputs]
    lines += [f"#   not served: {text}" for text in signature.left_out]
    return [" ".join(line.split("\n")) for line in lines]


def _tensor(tensor: Tensor) -> str:
    shape = ", ".join("any" if dim < 0 else str(dim) for dim in tensor.shape)
    return f"{json.dumps(tensor.name)} {tensor.datatype} [{shape}]"


def _request(name: str, session: ModelSession) -> list[str]:
    """A curl command that the model takes."""
    size = _size(session)
    inputs, large = [], False
    for tensor in session.signature.inputs:
        array = zeros(tensor, size)
        large = large or array.size > LONGEST_DATA
        inputs.append((tensor, list(array.shape), array.size))
    url = f"http://127.0.0.1:8080/models/default/{name}/v2/models/{name}/infer"
    if not large:
        body = {"inputs": [_input(*given) for given in inputs]}
        return [f"curl -s {url} \\", f"  -H 'content-type: application/json' -d {_quoted(json.dumps(body))}"]
    parts = ", ".join(
        f'{{"name": {tensor.name!r}, "shape": {shape}, "datatype": "{tensor.datatype}", '
        f'"data": [{_zero(tensor)!r}] * {count}}}'
        for tensor, shape, count in inputs
    )
    program = f'import json; print(json.dumps({{"inputs": [{parts}]}}))'
    return [f"python3 -c {_quoted(program)} |", f"  curl -s {url} -H 'content-type: application/json' -d @-"]


def _size(session: ModelSession) -> int:
    for size in SIZES:
        try:
            session.run(session.output_names, {t.name: zeros(t, size) for t in session.signature.inputs})
        except (InvalidRequest, InferenceFailed):
            continue
        return size
    return SIZES[0]


def _input(tensor: Tensor, shape: list[int], count: int) -> dict[str, Any]:
    return {"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": [_zero(tensor)] * count}


def _zero(tensor: Tensor) -> Any:
    if tensor.datatype == BYTES:
        return "0"
    if tensor.datatype == "BOOL":
        return False
    return 0.0 if tensor.datatype.startswith("FP") else 0


def _quoted(text: str) -> str:
    """For a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
