"""Two listening ports in one process and one event loop, on uvicorn; no supervisor, no handling of signals here.

Used by `lifecycle.py`, which decides when a port stops.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from functools import partial
from typing import Any, TypeAlias, cast

import uvicorn

from serinus_runtime.connection import Connection, ConnectionRules
from serinus_runtime.errors import Misconfigured

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEEP_ALIVE_SECONDS = 120
_BACKLOG = 2048
_SWEEP_SECONDS = 1.0
_ARRIVAL_SECONDS = 0.2


class Port(uvicorn.Server):
    """One listening port. Stops when `should_exit` is set, after the answers under way."""

    def __init__(self, app: App, listener: socket.socket, rules: ConnectionRules) -> None:
        config = uvicorn.Config(
            cast("Any", app),
            http=cast("type[asyncio.Protocol]", partial(Connection, rules)),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        super().__init__(config)
        self.listening = asyncio.Event()
        self.number: int = listener.getsockname()[1]
        self._listener = listener
        self._rules = rules

    async def run_port(self) -> None:
        """Serve until told to stop."""
        sweeper = asyncio.create_task(self._sweep())
        try:
            await self.serve(sockets=[self._listener])
        finally:
            sweeper.cancel()

    def drain(self) -> None:
        """From now on each answer is the last on its connection."""
        self._rules.draining = True
        for connection in self._connections():
            connection.drain()

    def end(self) -> None:
        """Stop now, whatever is under way."""
        self.should_exit = self.force_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and tell who waits for it."""
        await super().startup(sockets)
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but what has been sent on open connections up to now still arrives before idle ones end."""
        for server in self.servers:
            server.close()
        if not self.force_exit:
            await asyncio.sleep(_ARRIVAL_SECONDS)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """uvicorn would close the listeners at the first SIGTERM; `lifecycle.py` handles signals instead."""
        yield

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            for connection in self._connections():
                connection.sweep(now)

    def _connections(self) -> list[Connection]:
        return [cast("Connection", connection) for connection in self.server_state.connections]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; an empty host means every address, IPv4 and IPv6 alike where the kernel has both.

    Raises:
        Misconfigured: the address is not ours, or taken.

    """
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        msg = f"cannot listen on {host or 'all addresses'}, port {port}: {error.strerror}"
        raise Misconfigured(msg) from error
