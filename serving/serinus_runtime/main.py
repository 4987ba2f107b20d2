"""The command line: `serinus-runtime serve | preflight`. Everything else comes from the RuntimeConfig.

The image's entry point. Translates faults into the exit codes of the contract (`serinus_api.runtime`).
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from serinus_api.conditions import Reason
from serinus_api.runtime import CONFIG_ENV, EXIT_MISCONFIGURED, TERMINATION_LOG, Phase, PreflightReport, RuntimeConfig
from serinus_runtime import __version__
from serinus_runtime.cgroup import own_control_group
from serinus_runtime.config import read_config
from serinus_runtime.errors import Misconfigured
from serinus_runtime.logs import configure_logs, fields
from serinus_runtime.progress import Progress
from serinus_runtime.report import TerminationMessage

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    command = _parser().parse_args(arguments).command
    signal.signal(signal.SIGTERM, _end)  # as process 1 there is no default; serving sets its own
    configure_logs("json")
    termination = TerminationMessage(TERMINATION_LOG)
    try:
        config = read_config(os.environ)
        configure_logs(config.log_format)
        termination = TerminationMessage(config.termination_log)
        progress = Progress(termination, own_control_group())
        return _preflight(config, progress) if command == "preflight" else _serve(config, progress)
    except Misconfigured as error:
        log.error("Cannot use the configuration", extra=fields(why=str(error)))
        report = PreflightReport(phase=Phase.RESOLVING, reason=Reason.INVALID_SPEC.value, message=str(error))
        termination.write(report)
        return EXIT_MISCONFIGURED


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _preflight(config: RuntimeConfig, progress: Progress) -> int:
    from serinus_runtime.preflight import preflight

    return preflight(config, progress)


def _serve(config: RuntimeConfig, progress: Progress) -> int:
    import uvloop

    from serinus_runtime.lifecycle import Pod

    async def run() -> int:
        code = await Pod(config, progress).run()
        logging.shutdown()
        os._exit(code)  # a model that still loads or computes in a thread would hold the process

    return uvloop.run(run())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serinus-runtime",
        description="Serve one ONNX model with the Open Inference Protocol v2, or judge it before it is served.",
        epilog=f"The configuration is JSON in the environment variable {CONFIG_ENV}; see serinus_api.runtime.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="serve | preflight")
    commands.add_parser("serve", help="load the model and answer requests until SIGTERM")
    commands.add_parser("preflight", help="load the model, infer once, leave the verdict in the termination message")
    return parser


if __name__ == "__main__":
    sys.exit(main())
