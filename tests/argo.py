"""Argo CD's part: the Lua check that `docs/gitops.md` hands out, run by the Lua that Argo CD has."""

from pathlib import Path
from typing import Any

from lupa.lua51 import LuaRuntime

CHECK = (Path(__file__).parents[1] / "docs" / "argo-cd" / "health.lua").read_text()


def health(manifest: dict[str, Any]) -> tuple[str, str]:
    """Status and message of an object."""
    lua = LuaRuntime()
    found = lua.eval(f"function(obj)\n{CHECK}\nend")(lua.table_from(manifest, recursive=True))
    return found["status"], found["message"]
