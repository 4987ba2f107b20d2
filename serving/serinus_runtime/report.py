"""The PreflightReport as it is rewritten into the termination message, phase by phase.

Used by `preflight.py`, and by `main.py` when serving is refused. The kubelet reads the file when the container ends, at
whatever phase that is, so it must be whole JSON at every instant and stay within the contract's size.
"""

import logging
import os
from pathlib import Path

from serinus_api.runtime import TERMINATION_LIMIT_BYTES, PreflightReport
from serinus_runtime.logs import fields

log = logging.getLogger(__name__)


def encode_report(report: PreflightReport, limit: int = TERMINATION_LIMIT_BYTES) -> bytes:
    """JSON of at most `limit` bytes: first the message is cut, then outputs and inputs are dropped from the end."""
    for _ in range(len(report.inputs) + len(report.outputs) + 1):
        data = _json(report)
        if len(data) > limit:
            data = _json(report.model_copy(update={"message": _cut(report, limit)}))
        if len(data) <= limit:
            return data
        field = "outputs" if report.outputs else "inputs"
        report = report.model_copy(update={field: getattr(report, field)[:-1], "signature_cut": True})
    return _json(report)


class TerminationMessage:
    """The file that the kubelet reads. It may be a bind mount, so it is written in place and never renamed."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def write(self, report: PreflightReport) -> None:
        """Replace the content.

        One write, padded with blanks to the length of the content before, then the end is cut: a reader in between
        sees valid JSON. A path that cannot be written is ignored: the exit code and the log still tell.
        """
        data = encode_report(report)
        try:
            with self._path.open("r+b" if self._path.exists() else "wb", buffering=0) as file:
                file.write(data.ljust(os.fstat(file.fileno()).st_size))
                file.truncate(len(data))
        except OSError as error:
            log.warning("Cannot write the termination message", extra=fields(error=error.strerror))


def _json(report: PreflightReport) -> bytes:
    return report.model_dump_json(by_alias=True, exclude_none=True).encode()


def _cut(report: PreflightReport, limit: int) -> str:
    """The longest beginning of the message that lets the whole fit; each character can cost up to six bytes in JSON."""
    low, high = 0, len(report.message)
    while low < high:
        middle = (low + high + 1) // 2
        shorter = report.model_copy(update={"message": report.message[:middle] + "…"})
        if len(_json(shorter)) <= limit:
            low = middle
        else:
            high = middle - 1
    return report.message[:low] + "…"
