"""The socket in the state folder, by which `serinus get` and its like speak to the running instance.

HTTP with JSON over a unix socket that only the user who started the instance may open:

    GET    /models                              every ModelDeployment
    GET    /models/<namespace>/<name>           one
    GET    /models/<namespace>/<name>/events    its Events, oldest first
    GET    /models/<namespace>/<name>/logs      the files of its pods, `[{pod, role, path}]`
    POST   /models/<namespace>/<name>/annotate  as `kubectl annotate --overwrite`
    DELETE /models/<namespace>/<name>           as `kubectl delete`

It decides nothing; the client formats.
"""

import contextlib
import os
import re
from typing import Any

from aiohttp import web

from serinus_api import names
from serinus_operator.cluster.errors import Missing, Unwritable
from serinus_operator.cluster.port import EVENT, MODEL_DEPLOYMENT, Manifest
from serinus_operator.local.instance import Instance
from serinus_operator.local.rendezvous import SOCKET, reachable


class Control:
    """Serves one running instance. Its lock is held, so a socket that lies there already is nobody's."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._runner: web.AppRunner | None = None
        self._open = contextlib.ExitStack()

    async def start(self) -> None:
        """Listen. Raises OSError."""
        state = self._instance.layout.root
        (state / SOCKET).unlink(missing_ok=True)
        path = self._open.enter_context(reachable(state))
        self._runner = web.AppRunner(self._app(), access_log=None, handle_signals=False)
        await self._runner.setup()
        mask = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, path).start()
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()
        (self._instance.layout.root / SOCKET).unlink(missing_ok=True)
        self._open.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_answers_in_json])
        one = "/models/{namespace}/{name}"
        app.router.add_get("/models", self._all)
        app.router.add_get(one, self._one)
        app.router.add_delete(one, self._delete)
        app.router.add_get(f"{one}/events", self._events)
        app.router.add_get(f"{one}/logs", self._logs)
        app.router.add_post(f"{one}/annotate", self._annotate)
        return app

    async def _all(self, _: web.Request) -> web.Response:
        return web.json_response(self._instance.cluster.select(MODEL_DEPLOYMENT))

    async def _one(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request))

    async def _delete(self, request: web.Request) -> web.Response:
        meta = self._found(request)["metadata"]
        await self._instance.cluster.user_delete(MODEL_DEPLOYMENT, meta["namespace"], meta["name"])
        return web.json_response({})

    async def _events(self, request: web.Request) -> web.Response:
        meta = self._found(request)["metadata"]
        events = self._instance.cluster.select(EVENT, meta["namespace"])
        ours = [event for event in events if event["involvedObject"]["uid"] == meta["uid"]]
        return web.json_response(sorted(ours, key=lambda event: str(event["lastTimestamp"])))

    async def _logs(self, request: web.Request) -> web.Response:
        meta = self._found(request)["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        pods = self._instance.pods(namespace, name)
        rows = {pod.name: pod.role for pod in pods}
        folder, tried = self._instance.layout.logs / namespace, _preflight_pods(name)
        rows |= {path.stem: names.ROLE_PREFLIGHT for path in folder.glob("*.log") if tried.fullmatch(path.stem)}
        found = [
            {"pod": pod, "role": role, "path": str(self._instance.log_path(namespace, pod))}
            for pod, role in sorted(rows.items())
        ]
        return web.json_response(found)

    async def _annotate(self, request: web.Request) -> web.Response:
        meta = self._found(request)["metadata"]
        wanted: dict[str, str] = await request.json()
        await self._instance.cluster.annotate(meta["namespace"], meta["name"], wanted)
        return web.json_response(self._found(request))

    def _found(self, request: web.Request) -> Manifest:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        found = self._instance.cluster.find(MODEL_DEPLOYMENT, namespace, name)
        if found is None:
            raise Missing(f'{names.PLURAL}.{names.GROUP} "{name}" not found')
        return found


def _preflight_pods(name: str) -> re.Pattern[str]:
    """The names that its preflight pods can have; a long name is cut by the length of what follows it."""
    examples = (names.preflight_name(name, "0" * names.HASH_LENGTH, attempt) for attempt in (1, 10, 100))
    stems = sorted({re.escape(example.rpartition("-pf-")[0]) for example in examples})
    return re.compile(rf"({'|'.join(stems)})-pf-[0-9a-f]{{{names.HASH_LENGTH}}}-\d+")


@web.middleware
async def _answers_in_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """Errors of the store as `{"reason", "message"}`, the words that kubectl would show."""
    try:
        answer: web.StreamResponse = await handler(request)
    except Missing as error:
        return web.json_response({"reason": "NotFound", "message": str(error)}, status=404)
    except Unwritable as error:
        return web.json_response({"reason": "ServiceUnavailable", "message": str(error)}, status=503)
    return answer
