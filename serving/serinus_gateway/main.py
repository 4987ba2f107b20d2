"""The command line: `serinus-gateway agent | envoy | wait`. Everything else comes from the environment.

The image's entry point; the pod has two containers of it. `envoy` becomes Envoy. `wait` is the hook that the kubelet
runs before it stops Envoy: the agent still needs it until the last request is answered.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from serinus_gateway import __version__
from serinus_gateway.logs import configure_logs, fields
from serinus_gateway.settings import Settings, SettingsError

DRAINED = "drained"
"""The agent leaves this file when nothing is under way any more."""
LOOK_SECONDS = 0.2

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    command = _parser().parse_args(arguments).command
    configure_logs("json", "INFO")
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        log.error("Cannot use the settings", extra=fields(why=str(error)))
        return 2
    configure_logs(settings.log_format, settings.log_level)
    if command == "envoy":
        return _envoy(settings)
    if command == "wait":
        return _wait(settings)
    return asyncio.run(_agent(settings))


def _envoy(settings: Settings) -> int:
    from serinus_gateway.launch import command_line

    line = command_line(settings)
    os.execv(line[0], line)  # noqa: S606  # this process becomes Envoy


def _wait(settings: Settings) -> int:
    """Until the agent says that it is drained; the kubelet's grace period is the limit."""
    marker = Path(settings.folder) / DRAINED
    while not marker.exists():
        time.sleep(LOOK_SECONDS)
    return 0


async def _agent(settings: Settings) -> int:
    from serinus_gateway.agent import Agent
    from serinus_gateway.cluster import connect

    marker = Path(settings.folder) / DRAINED
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with connect(settings) as (world, waker), Agent(settings, world, waker) as agent:
        log.info("Listening", extra=fields(check_port=settings.check_port, agent_port=settings.agent_port))
        ends = {asyncio.ensure_future(one) for one in (stop.wait(), agent.ended(), world.ended())}
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
        await agent.drain()
        marker.touch()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serinus-gateway", description="Hold requests for models that sleep, and split them during a rollout."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="agent | envoy | wait")
    commands.add_parser("agent", help="watch the models, configure Envoy, answer its checks")
    commands.add_parser("envoy", help="become Envoy, with the configuration that the agent keeps")
    commands.add_parser("wait", help="return when the agent has drained the gateway")
    return parser


if __name__ == "__main__":
    sys.exit(main())
