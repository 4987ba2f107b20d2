"""Does the source of a ready pod still look as it did? For sources that cannot be pinned: `https://` and `pvc://`.

Started by `lifecycle.py`. Only looks (a file's size and time, a response's ETag); it never touches what is served. The
operator reads the answer in the LoadReport and neither shrinks the revision nor puts it to sleep while it stands.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import urlsplit

from serinus_api.conditions import Reason
from serinus_api.runtime import RuntimeConfig
from serinus_runtime.copying import file_facts
from serinus_runtime.errors import ModelRefused
from serinus_runtime.logs import fields
from serinus_runtime.model_store import CHANGEABLE

log = logging.getLogger(__name__)

Facts: TypeAlias = dict[str, str]


def describe_change(before: Facts, now: Facts) -> str | None:
    """What differs, of what is known of both; None when nothing does.

    `{"ETag": "a"}` and `{"ETag": "b"}` give `ETag was a and is b`.
    """
    changes = [
        f"{key} was {before[key]} and is {now[key]}" for key in before if now.get(key, before[key]) != before[key]
    ]
    return "; ".join(changes) or None


async def watch_source(config: RuntimeConfig, before: Facts, tell: Callable[[str | None], None]) -> None:
    """Look every `source_check_seconds` and tell what has changed. A source out of reach is no news, a lost one is."""
    told: str | None = None
    while before:
        await asyncio.sleep(config.source_check_seconds)
        try:
            change = describe_change(before, await _look(config, before))
        except ModelRefused as refusal:
            change = refusal.message if refusal.reason is Reason.NOT_FOUND else told
        if change != told:
            told = change
            tell(change)
            log.info("Source changed" if change else "Source is as before", extra=fields(change=change))


async def _look(config: RuntimeConfig, before: Facts) -> Facts:
    if urlsplit(config.source.uri).scheme in CHANGEABLE:
        return await asyncio.to_thread(_files, config, list(before))
    from serinus_runtime.download import look

    return await look(config.source)


def _files(config: RuntimeConfig, names: list[str]) -> Facts:
    """Size and time of the model and its external data now."""
    model = Path(config.model_mount, config.source.path or "")
    facts = {}
    for name in names:
        path = model if name == PurePosixPath(config.source.path or "").name else model.resolve().parent / name
        try:
            facts[name] = file_facts(path.stat())
        except FileNotFoundError:
            facts[name] = "gone"
        except OSError:
            continue
    return facts
