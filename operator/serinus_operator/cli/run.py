"""`serinus run`: an instance, the entry port, the control socket and the files, until a signal or all is settled."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serinus_operator.cli import exits
from serinus_operator.cli.exits import Fault
from serinus_operator.cli.manifests import Manifests, Sources
from serinus_operator.cli.once import Once
from serinus_operator.cli.rows import Row, row
from serinus_operator.cli.screen import Output, Screen, ScreenLog, make_screen
from serinus_operator.cluster.files import StateError
from serinus_operator.cluster.port import MODEL_DEPLOYMENT, Manifest
from serinus_operator.local.control import Control
from serinus_operator.local.entry import Entry
from serinus_operator.local.envoy import EnvoyFailed
from serinus_operator.local.instance import Instance
from serinus_operator.local.lock import StateInUse

TABLE_SECONDS = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    sources: tuple[Path, ...]
    state: Path
    port: int = 8080
    host: str = "127.0.0.1"
    once: bool = False
    output: Output = "table"
    verbose: bool = False


def run(options: Options) -> int:
    """Run to the end; the exit code. Raises Fault for what keeps it from starting."""
    screen = make_screen(options.output)
    handler = ScreenLog(screen)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, handlers=[handler], force=True)
    try:
        return asyncio.run(Run(options, screen).run())
    finally:
        screen.close()


class Run:
    """One run. `make_instance` is exchanged by tests."""

    def __init__(
        self, options: Options, screen: Screen, make_instance: Callable[[Path], Instance] = lambda s: Instance(state=s)
    ) -> None:
        self._options, self._screen = options, screen
        self._sources = Sources(options.sources)
        self._instance = make_instance(options.state)
        self._entry = Entry(self._instance, host=options.host, port=options.port)
        self._control = Control(self._instance)
        self._stop, self._changed = asyncio.Event(), asyncio.Event()
        self._told: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        self._answering: set[tuple[str, str]] = set()
        self._writable = True

    async def run(self) -> int:
        """From start to drained."""
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        first = await asyncio.to_thread(self._sources.snapshot)
        if not any(item.good for item in first.checked):
            for problem in first.problems:
                self._screen.problem(problem)
            raise Fault("nothing to serve: no document is valid")
        await self._start_instance()
        try:
            await self._open_ports()
        except Fault:
            await self._instance.stop(drain=False)
            raise
        try:
            return await self._serve()
        finally:
            await self._drain()

    def stop(self) -> None:
        """What Ctrl-C does. The second time everything ends at once; the pods die with their parent."""
        if self._stop.is_set():
            os._exit(128 + signal.SIGINT)
        self._stop.set()

    async def _start_instance(self) -> None:
        try:
            await self._instance.start()
        except (StateInUse, StateError) as error:
            raise Fault(str(error)) from error
        except OSError as error:
            raise Fault(f"the state folder {self._options.state} cannot be used: {error.strerror}") from error
        self._instance.cluster.watch(self._observe)
        self._instance.passes.on_end = self._pass_ended
        self._once = Once(self._instance, self._screen)

    async def _open_ports(self) -> None:
        where = f"{self._options.host}:{self._options.port}"
        try:
            await self._entry.start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Fault(f"port {where} is taken; name another with --port") from error
            raise Fault(f"cannot listen on {where}: {os.strerror(error.errno or 0)}") from error
        except EnvoyFailed as error:
            raise Fault(str(error)) from error
        try:
            await self._control.start()
        except OSError as error:
            await self._entry.stop()
            raise Fault(f"no socket can be made in {self._options.state}: {error}") from error

    async def _serve(self) -> int:
        url = self._url()
        self._screen.note("started", f"Serving on {url}, state in {self._options.state}; Ctrl-C drains", url=url)
        for remark in self._instance.remarks:
            self._screen.note("remark", remark)
        manifests = Manifests(self._sources, self._instance.cluster, self._screen)
        sound = await manifests.load()
        self._tell_strangers(manifests)
        once = self._options.once
        tasks = {
            "end": self._once.settled(manifests.models, self._changed) if once else self._stop.wait(),
            "stop": self._stop.wait(),
            "failed": self._instance.wait_failed(),
            "table": self._draw(),
            **({} if once else {"files": self._follow(manifests), "unkept": manifests.apply_unkept()}),
        }
        ended = await _first_of(tasks)
        if "failed" in ended:
            raise Fault("the instance has failed; this is a bug of Serinus, its log is above")
        if not self._options.once:
            return exits.OK
        if "end" not in ended:
            self._screen.note("interrupted", "Stopped before every model was Ready")
        return exits.OK if sound and ended.get("end") == exits.OK else exits.FAILED

    async def _follow(self, manifests: Manifests) -> None:
        try:
            await manifests.follow()
        except OSError as error:
            self._screen.note("unwatched", f"The files cannot be watched ({error}); edits are not seen")
            await self._stop.wait()

    async def _draw(self) -> None:
        while True:
            self._screen.rows(self._rows())
            await asyncio.sleep(TABLE_SECONDS)

    def _rows(self) -> list[Row]:
        rows = []
        for model in self._instance.cluster.select(MODEL_DEPLOYMENT):
            stats = self._entry.stats(model["metadata"]["namespace"], model["metadata"]["name"])
            rows.append(row(model, stats.requests_per_second, stats.p95_milliseconds))
        return rows

    async def _drain(self) -> None:
        """Nothing new comes in, what is under way is answered, the pods end."""
        self._screen.close()
        with contextlib.suppress(OSError):
            await self._control.stop()
        await self._entry.stop()
        self._screen.drained(await self._instance.stop(drain=True))

    def _pass_ended(self) -> None:
        """Wake; tell once that the state folder takes no writes, and once that it does again."""
        self._changed.set()
        why = self._instance.passes.unwritable
        if (why is None) == self._writable:
            return
        self._writable = why is None
        if why is None:
            self._screen.note("writable", "The state folder takes writes again")
            return
        rest = "" if self._options.once else "; what serves goes on, and the rest follows by itself when it does"
        text = f"The state folder takes no writes: {why}; make room, or name another one with --state{rest}"
        self._screen.note("unwritable", text)

    def _observe(self, event: str, manifest: Manifest) -> None:
        """Within a write of the store: remember, tell, wake."""
        self._changed.set()
        if manifest["kind"] != MODEL_DEPLOYMENT.kind:
            return
        meta = manifest["metadata"]
        key = (meta["namespace"], meta["name"])
        if event == "DELETED":
            self._told.pop(key, None)
            self._answering.discard(key)
            self._screen.note("deleted", f"{'/'.join(key)} is deleted", namespace=key[0], name=key[1])
            return
        conditions = manifest.get("status", {}).get("conditions", ())
        before = self._told.get(key, {})
        self._told[key] = {c["type"]: (c["status"], c["reason"]) for c in conditions}
        for condition in conditions:
            if before.get(condition["type"]) != (condition["status"], condition["reason"]):
                self._screen.condition(*key, condition)
        if key not in self._answering and self._told[key].get("Available", ("", ""))[0] == "True":
            self._answering.add(key)
            self._tell_address(manifest)

    def _tell_address(self, model: Manifest) -> None:
        namespace, name = model["metadata"]["namespace"], model["metadata"]["name"]
        path = f"{self._url()}/models/{namespace}/{name}/v2/models/{model['spec']['model'].get('name', name)}"
        self._screen.note("answers", f"{namespace}/{name} answers at {path}", namespace=namespace, name=name, url=path)

    def _tell_strangers(self, manifests: Manifests) -> None:
        """What serves on from an earlier run although no file names it."""
        for model in self._instance.cluster.select(MODEL_DEPLOYMENT):
            key = (model["metadata"]["namespace"], model["metadata"]["name"])
            if key not in manifests.models:
                end = f"`serinus delete -n {key[0]} {key[1]}` ends it"
                text = f"{'/'.join(key)} is kept from an earlier run, no file names it: {end}"
                self._screen.note("kept", text, namespace=key[0], name=key[1])

    def _url(self) -> str:
        return f"http://{self._options.host}:{self._entry.port}"


async def _first_of(coroutines: dict[str, Coroutine[Any, Any, Any]]) -> dict[str, Any]:
    """Run all until one ends; the results of those that did, by name. The others are cancelled."""
    tasks = {name: asyncio.create_task(coroutine, name=name) for name, coroutine in coroutines.items()}
    try:
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        return {name: task.result() for name, task in tasks.items() if task.done()}
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
