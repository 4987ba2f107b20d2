"""What a user who watches sees: `kubectl get mdep NAME -w`, into a file."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
