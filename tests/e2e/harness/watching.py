"""What a user who watches sees: `kubectl get mdep NAME -w`, into a file."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.harness.kubectl import Manifest
from tests.e2e.harness.models import Model


@contextmanager
def watched(model: Model, file: Path, *more: str) -> Iterator[None]:
    """Watch the model; `more` words for kubectl, such as another form of output."""
    words = ["get", "mdep", model.name, "-w", "-n", model.namespace, *more]
    with file.open("w") as stream:
        command = [str(model.kubectl.program), f"--kubeconfig={model.kubectl.kubeconfig}", *words]
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def objects(file: Path) -> list[Manifest]:
    """What was watched with `-o json`, in its order; one that was being written at the end is left out."""
    text, decoder, at, found = file.read_text(), json.JSONDecoder(), 0, []
    while (at := text.find("{", at)) >= 0:
        try:
            one, at = decoder.raw_decode(text, at)
        except ValueError:
            break
        found.append(one)
    return found
