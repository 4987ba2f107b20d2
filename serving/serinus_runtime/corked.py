"""A transport that sends the head of a response together with the beginning of its body: one packet instead of two.

uvicorn writes them apart, and the event loop hands each write to the kernel at once. Used by `connection.py`.
"""

from asyncio import Transport
from typing import Any

_HEAD = b"HTTP/1.1 "
_INTERIM = b"HTTP/1.1 100"
_COPY = 64 * 1024
"""Up to this size a copy is cheaper than a second buffer."""


class Corked:
    """Holds a head back until the next write, or until `flush` or `close`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._write = transport.write
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        """As a transport's."""
        held = self._held
        if held is not None:
            self._held = None
            if len(data) < _COPY:
                self._write(held + data)
            else:
                self._transport.writelines((held, data))
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._held = data
        else:
            self._write(data)

    def flush(self) -> None:
        """The response is complete: it had no body, or one that looked like a head."""
        if self._held is not None:
            self._write(self._held)
            self._held = None

    def close(self) -> None:
        """As a transport's."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
