"""An address for each pod: one of 127.1.0.0/16, so that port numbers are those of a pod, or ports of 127.0.0.1.

Linux answers on all of 127.0.0.0/8. Where a system does not (macOS), or where something listens on a pod's port on
every address, a pod gets free ports of 127.0.0.1 instead.
"""

import socket
import zlib
from collections import deque
from dataclasses import dataclass

HOME = "127.0.0.1"
HOSTS = 254 * 254
TRIES = 32

_given: deque[int] = deque(maxlen=1000)
"""Free ports that were handed out last, in this process."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod listens."""

    host: str
    http_port: int
    metrics_port: int


class Addresses:
    """Gives out places. `seed` spreads the instances of one machine; `aliases` False forces ports."""

    def __init__(self, seed: str, *, aliases: bool | None = None) -> None:
        self.aliases = _free("127.1.0.1", 0) if aliases is None else aliases
        self._next = zlib.crc32(seed.encode()) % HOSTS
        self._taken: set[Place] = set()

    def take(self, http_port: int, metrics_port: int) -> Place:
        """A place where both ports are free now."""
        place = self._alias(http_port, metrics_port) if self.aliases else None
        place = place or self._ports()
        self._taken.add(place)
        return place

    def give_back(self, place: Place) -> None:
        """The pod has ended."""
        self._taken.discard(place)

    def _alias(self, http_port: int, metrics_port: int) -> Place | None:
        hosts = {place.host for place in self._taken}
        for _ in range(TRIES):
            self._next = (self._next + 1) % HOSTS
            host = f"127.1.{self._next // 254}.{self._next % 254 + 1}"
            if host not in hosts and _free(host, http_port) and _free(host, metrics_port):
                return Place(host, http_port, metrics_port)
        return None

    def _ports(self) -> Place:
        used = {port for place in self._taken if place.host == HOME for port in (place.http_port, place.metrics_port)}
        found: list[int] = []
        held = []
        while len(found) < 2:
            listener = socket.socket()
            held.append(listener)
            listener.bind((HOME, 0))
            if (port := listener.getsockname()[1]) not in used:
                found.append(port)
        for listener in held:
            listener.close()
        return Place(HOME, found[0], found[1])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has now, and that was not given lately: who asked may not listen there yet."""
    while True:
        with socket.socket() as listener:
            listener.bind((HOME, 0))
            port: int = listener.getsockname()[1]
        if port not in _given:
            _given.append(port)
            return port


def _free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError:
            return False
    return True
