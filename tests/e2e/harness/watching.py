"""What a user who watches sees: `kubectl get … -w`, into a file; begun again when the server was gone."""

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tests.e2e.harness.kubectl import Manifest
from tests.e2e.harness.models import Model
from tests.e2e.harness.waiting import PERIOD


@contextmanager
def watched(model: Model, file: Path, *more: str, what: Sequence[str] = ()) -> Iterator[None]:
    """Watch the model, or `what` else in its namespace; `more` words for kubectl, such as another form of output."""
    words = ["get", *(what or ("mdep", model.name)), "-w", "-n", model.namespace, *more]
    with file.open("w") as stream:
        command = [str(model.kubectl.program), f"--kubeconfig={model.kubectl.kubeconfig}", *words]
        over = threading.Event()
        thread = threading.Thread(target=_watch, args=(command, stream, over), name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _watch(command: list[str], stream: TextIO, over: threading.Event) -> None:
    """One kubectl after the other: it ends when the API server does, and the next one shows what there is first."""
    while not over.is_set():
        with subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT) as process:
            while process.poll() is None and not over.wait(PERIOD):
                pass
            process.terminate()
        over.wait(PERIOD)


def objects(file: Path) -> list[Manifest]:
    """What was watched with `-o json`, in its order; one that was cut while it was written is left out."""
    text, decoder, at, found = file.read_text(), json.JSONDecoder(), 0, []
    while (at := text.find("{", at)) >= 0:
        try:
            one, at = decoder.raw_decode(text, at)
        except ValueError:
            at = text.find("\n{", at + 1)  # where the next kubectl began
            if at < 0:
                break
            continue
        found.append(one)
    return found
