"""How a pod or a gateway is asked and told: one request, bounded in every way. I/O; decides nothing.

Pods run what their users brought, so an answer may be anything: another status, a redirection to somewhere else, a body
without an end, one that unpacks to gigabytes. Whatever is not a report in time is None: unknown, not zero.
"""

from typing import TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

OK = 200
Report = TypeVar("Report", bound=BaseModel)


def session(seconds: float) -> aiohttp.ClientSession:
    """Connections for such requests, each of which may take so long. A body comes as it was sent, never unpacked."""
    connector = aiohttp.TCPConnector(limit=0)  # waiting for a connection would count as silence
    timeout = aiohttp.ClientTimeout(total=seconds)
    return aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False, auto_decompress=False)


async def fetch(
    session: aiohttp.ClientSession, host: str, port: int, path: str, shape: type[Report], *, most: int
) -> Report | None:
    """The report at an address, or None. `most` bytes are read."""
    body = await fetch_bytes(session, host, port, path, most=most)
    try:
        return None if body is None else shape.model_validate_json(body)
    except ValidationError:
        return None


async def fetch_bytes(session: aiohttp.ClientSession, host: str, port: int, path: str, *, most: int) -> bytes | None:
    """The bytes at an address, or None."""
    body = bytearray()
    try:
        async with session.get(_url(host, port, path), allow_redirects=False) as response:
            if response.status != OK:
                return None
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > most:
                    return None
        return bytes(body)
    except (aiohttp.ClientError, TimeoutError):
        return None


async def put(session: aiohttp.ClientSession, host: str, port: int, path: str, body: bytes) -> bool:
    """Send a document to an address; whether it was taken. What is answered is not read."""
    try:
        async with session.put(_url(host, port, path), data=body, allow_redirects=False) as response:
            return response.status == OK
    except (aiohttp.ClientError, TimeoutError):
        return False


def _url(host: str, port: int, path: str) -> str:
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"
