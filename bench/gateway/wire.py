"""As little HTTP as the small servers and the client of the wake measurement need: no bodies in, a length out."""

import asyncio


async def head_of(reader: asyncio.StreamReader) -> bytes:
    """The next request or answer up to its empty line; nothing when the other side has closed."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def field(head: bytes, name: str) -> str:
    """A header's value; empty where it is missing."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def wants_close(head: bytes) -> bool:
    return field(head, "connection").lower() == "close"


def request(host: str, path: str) -> bytes:
    """One request, after which the connection ends."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def answer(status: int, text: str = "") -> bytes:
    """One answer."""
    return f"HTTP/1.1 {status} \r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


async def exchange(address: str, port: int, sent: bytes) -> bytes:
    """Send a request over a connection of its own; all that comes back. OSError where nobody listens."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(sent)
        return await reader.read()
    finally:
        writer.close()


def read(text: bytes) -> tuple[int, str]:
    """Status and body of a whole answer. Raises ValueError for what is none."""
    head, found, body = text.partition(b"\r\n\r\n")
    if not found:
        raise ValueError("the connection ended before an answer")
    return int(head.split(b" ", 2)[1]), body.decode()
