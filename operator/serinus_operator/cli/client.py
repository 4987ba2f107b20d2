"""Asks the running instance, over the socket in its state folder. Synchronous: a command asks a question or two."""

import contextlib
import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

from serinus_operator.cli.exits import Fault
from serinus_operator.local.rendezvous import PathTooLong, reachable

TIMEOUT_SECONDS = 10.0


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("serinus", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """See HTTPConnection."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(self._path)


class Client:
    """One state folder's instance."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def models(self) -> list[dict[str, Any]]:
        """Every ModelDeployment, by namespace and name."""
        found: list[dict[str, Any]] = self._ask("GET", "/models")
        return sorted(found, key=lambda m: (m["metadata"]["namespace"], m["metadata"]["name"]))

    def model(self, namespace: str, name: str) -> dict[str, Any]:
        """One ModelDeployment. Raises Fault where there is none."""
        found: dict[str, Any] = self._ask("GET", _path(namespace, name))
        return found

    def events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """Its Events."""
        found: list[dict[str, Any]] = self._ask("GET", _path(namespace, name, "/events"))
        return found

    def logs(self, namespace: str, name: str) -> list[dict[str, str]]:
        """Its pods' log files: `pod`, `role`, `path`."""
        found: list[dict[str, str]] = self._ask("GET", _path(namespace, name, "/logs"))
        return found

    def annotate(self, namespace: str, name: str, annotations: dict[str, str]) -> None:
        """As `kubectl annotate --overwrite`."""
        self._ask("POST", _path(namespace, name, "/annotate"), annotations)

    def delete(self, namespace: str, name: str) -> None:
        """As `kubectl delete`."""
        self._ask("DELETE", _path(namespace, name))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            with reachable(self._state) as socket_path, contextlib.closing(_Connection(socket_path)) as connection:
                connection.request(method, path, None if body is None else json.dumps(body))
                response = connection.getresponse()
                said = json.loads(response.read())
        except PathTooLong as error:
            raise Fault(str(error)) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise Fault(
                f"no instance runs in the state folder {self._state}; start one with `serinus run -f FILE`, "
                "or name its folder with --state"
            ) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Fault(f"the instance in {self._state} does not answer: {error}") from error
        if response.status >= 400:
            raise Fault(f"Error from server ({said['reason']}): {said['message']}")
        return said


def _path(namespace: str, name: str, rest: str = "") -> str:
    return f"/models/{quote(namespace, safe='')}/{quote(name, safe='')}{rest}"
