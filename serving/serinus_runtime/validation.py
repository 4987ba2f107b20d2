"""What `spec.validation` asks of a loaded model: right answers, fast enough, in little enough memory.

Called by `preflight.py` in the throw-away pod, under the limits of the serving pods. Requests go the way of every
request, from bytes to bytes: decoded, run on the session, encoded; only HTTP is left out.
"""

import itertools
import math
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from serinus_api.conditions import Reason
from serinus_api.golden import golden_digest
from serinus_api.runtime import RuntimeConfig, RuntimeLimits, Validation
from serinus_runtime.cgroup import own_peak
from serinus_runtime.codec import Codec
from serinus_runtime.errors import InvalidRequest, ModelRefused, RequestRefused
from serinus_runtime.golden import GoldenRequest, difference, read_golden
from serinus_runtime.session import ModelSession, WarmUp, zeros

WARM_RUNS = 5
TIMED_RUNS = 100
PERCENTILE = 95


class Answerer:
    """Answers requests in bytes as the server would."""

    def __init__(self, session: ModelSession, limits: RuntimeLimits) -> None:
        self._session = session
        self._codec = Codec(session.signature, limits, "golden", "preflight")

    def answer(self, body: bytes) -> bytes:
        """The answer in JSON.

        Raises:
            RequestRefused: the request is not one for this model, or the model fails on it.

        """
        request = self._codec.decode(body, None)
        if request.selection.any_binary:
            raise InvalidRequest("it asks for binary outputs, which cannot be compared; ask for JSON")
        return self._codec.encode(request, self._session.run(request.selection.names, request.feeds)).body


def validate(config: RuntimeConfig, asked: Validation, session: ModelSession, times: WarmUp) -> float | None:
    """Golden requests, then latency, then memory; the 95th percentile (milliseconds) where one was asked for.

    Raises:
        ModelRefused: GoldenUnavailable, GoldenMismatch, TooSlow or OutOfMemory; LoadFailed where a timed run fails.

    """
    answerer = Answerer(session, config.limits)
    goldens = _read_all(Path(config.golden_mount), asked, config.limits.max_json_depth)
    for golden in goldens:
        _check(golden, answerer)
    p95 = None
    if asked.max_latency_p95_milliseconds is not None:
        bodies = [golden.body for golden in goldens] or [_zero_request(session, times.size)]
        p95 = _p95_milliseconds(answerer, bodies)
        if p95 > asked.max_latency_p95_milliseconds:
            of = f"of {_requests(len(goldens))}" if goldens else "of an inference on zeros"
            message = (
                f"the 95th percentile of {TIMED_RUNS} runs {of} is {p95:g} ms, more than the "
                f"{asked.max_latency_p95_milliseconds} ms of spec.validation.maxLatencyP95Milliseconds"
            )
            raise ModelRefused(Reason.TOO_SLOW, message)
    _check_memory(asked, len(goldens))
    return p95


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least so many percent do not exceed: of 1 to 100 the 95th percentile is 95."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _read_all(folder: Path, asked: Validation, max_depth: int) -> tuple[GoldenRequest, ...]:
    """The golden requests by name, if they are those that the operator has seen."""
    if asked.golden_name is None:
        return ()
    # A key is a file, or a link to one; what the kubelet keeps beside them (`..data`) are folders.
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    files = {path.name: path.read_bytes() for path in found if path.is_file()}
    if golden_digest(files) != asked.golden_digest:
        message = f"ConfigMap {asked.golden_name} with the golden requests was changed while the preflight pod started"
        raise ModelRefused(Reason.GOLDEN_UNAVAILABLE, message)
    return tuple(_read(name, raw, max_depth) for name, raw in files.items())


def _read(name: str, raw: bytes, max_depth: int) -> GoldenRequest:
    try:
        return read_golden(name, raw, max_depth)
    except InvalidRequest as error:
        raise _mismatch(name, error.message) from error


def _check(golden: GoldenRequest, answerer: Answerer) -> None:
    try:
        answer = answerer.answer(golden.body)
    except RequestRefused as refusal:
        raise _mismatch(golden.name, f"the model does not answer it: {refusal.message}") from refusal
    if wrong := difference(golden, answer):
        raise _mismatch(golden.name, wrong)


def _mismatch(name: str, words: str) -> ModelRefused:
    return ModelRefused(Reason.GOLDEN_MISMATCH, f"golden request {name}: {words}")


def _p95_milliseconds(answerer: Answerer, bodies: Sequence[bytes]) -> float:
    """Over TIMED_RUNS runs, the requests in turn, after WARM_RUNS that do not count."""
    taken = []
    for body in itertools.islice(itertools.cycle(bodies), WARM_RUNS + TIMED_RUNS):
        started = time.perf_counter()
        try:
            answerer.answer(body)
        except RequestRefused as refusal:
            words = f"it loads, but a run to measure its latency fails: {refusal.message}"
            raise ModelRefused(Reason.LOAD_FAILED, words) from refusal
        taken.append(time.perf_counter() - started)
    return round(percentile(taken[WARM_RUNS:], PERCENTILE) * 1000, 3)


def _zero_request(session: ModelSession, size: int) -> bytes:
    """The request that the warm-up has found the model to take."""
    arrays = [(tensor, zeros(tensor, size)) for tensor in session.signature.inputs]
    inputs = [
        {"name": tensor.name, "datatype": tensor.datatype, "shape": array.shape, "data": array.ravel().tolist()}
        for tensor, array in arrays
    ]
    return orjson.dumps({"inputs": inputs})


def _check_memory(asked: Validation, goldens: int) -> None:
    peak = own_peak()
    if asked.max_memory_bytes is None or peak <= asked.max_memory_bytes:
        return
    over = f"loading and {_requests(goldens)}" if goldens else "loading and an inference on zeros"
    message = (
        f"the program held {_mebibytes(peak)} at its peak over {over}, more than the "
        f"{_mebibytes(asked.max_memory_bytes)} of spec.validation.maxMemory"
    )
    raise ModelRefused(Reason.OUT_OF_MEMORY, message)


def _requests(count: int) -> str:
    return f"{count} golden {'request' if count == 1 else 'requests'}"


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
