"""The verdict on a model before any request may reach it: `serinus-runtime preflight`.

Runs in a throw-away pod under the memory limit of the serving pods: resolve, download, load, one inference, and what
`spec.validation` asks for beside that (`validation.py`). Each phase is in the termination message before it starts, so
that after an OOM kill the last one tells where the memory went. The operator reads the last message together with the
exit code.
"""

import logging
import time

from serinus_api.runtime import EXIT_OK, Phase, RuntimeConfig, TensorSignature
from serinus_runtime.errors import ModelRefused
from serinus_runtime.logs import fields
from serinus_runtime.model_store import fetch
from serinus_runtime.progress import Progress
from serinus_runtime.tensors import Tensor

log = logging.getLogger(__name__)


def preflight(config: RuntimeConfig, progress: Progress) -> int:
    """Judge the model; the exit code of the contract."""
    try:
        _judge(config, progress)
    except ModelRefused as refusal:
        progress.refused(refusal)
        log.info("Refused model", extra=fields(reason=refusal.reason.value, why=refusal.message))
        return refusal.exit_code
    report = progress.report
    more = {"latency_p95_milliseconds": report.latency_p95_milliseconds} if report.latency_p95_milliseconds else {}
    log.info("Passed model", extra=fields(digest=report.digest, peak_bytes=report.peak_bytes, **more))
    return EXIT_OK


def _judge(config: RuntimeConfig, progress: Progress) -> None:
    model = fetch(config, progress.enter)
    progress.note(phase=Phase.LOADING, digest=model.digest, size_bytes=model.size)
    from serinus_runtime.session import ModelSession

    started = time.perf_counter()
    session = ModelSession(model.path, config.threads or progress.group.cpus())
    seconds = time.perf_counter() - started
    signature = session.signature
    progress.note(
        phase=Phase.INFERRING,
        load_seconds=round(seconds, 4),
        inputs=tuple(_signature(tensor) for tensor in signature.inputs),
        outputs=tuple(_signature(tensor) for tensor in signature.outputs),
    )
    times = session.warm_up()
    if config.validation:
        progress.enter(Phase.VALIDATING)
        from serinus_runtime.validation import validate

        p95 = validate(config, config.validation, session, times)
        progress.note(validation=config.validation.key, latency_p95_milliseconds=p95)
    left_out = f"not served, as no tensor can carry it: {'; '.join(signature.left_out)}" if signature.left_out else ""
    progress.passed(left_out, inference_milliseconds=round(times.second * 1000, 3))


def _signature(tensor: Tensor) -> TensorSignature:
    return TensorSignature(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
