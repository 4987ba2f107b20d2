"""One running instance, as a test sees it: apply, wait, ask. Waiting follows the store; nothing sleeps."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from serinus_api import names
from serinus_operator.cluster.port import MODEL_DEPLOYMENT, Manifest
from serinus_operator.local.entry import Entry
from serinus_operator.local.instance import Backend, DrainReport, Instance

DEADLINE_SECONDS = 60.0
RESOURCES = {"limits": {"memory": "512Mi"}}


def model_of(uri: str, name: str = "m", **spec: Any) -> Manifest:
    """A ModelDeployment that serves a file."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {"model": {"uri": uri}, "runtime": {"resources": RESOURCES, "drainSeconds": 0}, **spec},
    }


def condition(manifest: Manifest, kind: str) -> dict[str, Any]:
    """A condition of the present generation; empty where there is none."""
    status = manifest.get("status", {})
    found = next((c for c in status.get("conditions", ()) if c["type"] == kind), {})
    return found if found.get("observedGeneration") == manifest["metadata"]["generation"] else {}


def is_ready(manifest: Manifest) -> bool:
    return condition(manifest, "Ready").get("status") == "True"


class Stage:
    """An instance in `folder/state`, with models in `folder`; with an entry port where `front` says so."""

    def __init__(self, folder: Path, *, front: bool = False, **options: Any) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.instance = Instance(state=self.state, **{"backoff_seconds": 0.05, **options})
        self.front = Entry(self.instance, port=0) if front else None

    async def start(self) -> None:
        await self.instance.start()
        self.cluster = self.instance.cluster
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10), trust_env=False)
        self.changed = asyncio.Event()
        self.cluster.watch(lambda *_: self.changed.set())
        if self.front:
            await self.front.start()

    async def close(self, *, drain: bool = False) -> DrainReport:
        with contextlib.suppress(AttributeError):
            await self.session.close()
        if self.front:
            await self.front.stop()
        return await self.instance.stop(drain=drain)

    @property
    def entry(self) -> Entry:
        """The entry port."""
        assert self.front
        return self.front

    def url(self, path: str = "", name: str = "m") -> str:
        """An address of a model at the entry port."""
        return f"{self.entry.urls('default', name)[1]}{path}"

    def file(self, name: str, data: bytes) -> str:
        """A model in a file; its URI."""
        (self.folder / name).write_bytes(data)
        return f"file://{self.folder / name}"

    async def apply(self, manifest: Manifest) -> str:
        return (await self.cluster.user_apply(manifest))[0]

    def get(self, name: str = "m") -> Manifest:
        live = self.cluster.find(MODEL_DEPLOYMENT, "default", name)
        assert live is not None
        return live

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait until something holds, looking again after each change of an object."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not true():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            said = [m.get("status", {}).get("conditions") for m in self.cluster.select(MODEL_DEPLOYMENT)]
            raise AssertionError(f"not within {DEADLINE_SECONDS} s; conditions: {said}; logs: {self.logs()}") from None

    async def ready(self, name: str = "m") -> Manifest:
        await self.until(lambda: is_ready(self.get(name)))
        return self.get(name)

    async def stalled(self, name: str = "m") -> dict[str, Any]:
        """The condition Ready of a model that goes no further."""
        await self.until(lambda: condition(self.get(name), "Stalled").get("status") == "True")
        return condition(self.get(name), "Ready")

    def backend(self, name: str = "m") -> Backend:
        return self.instance.backends("default", name)[0]

    async def predict(self, x: float, name: str = "m", model: str = "m") -> float:
        """The doubler's answer for x, from whichever pod the Service leads to."""
        place = self.backend(name)
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [x] * 4}
        url = f"http://{place.host}:{place.port}/v2/models/{model}/infer"
        async with self.session.post(url, json={"inputs": [tensor]}) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return float(body["outputs"][0]["data"][0])

    def logs(self) -> dict[str, str]:
        return {path.name: path.read_text()[-800:] for path in (self.state / "logs").glob("*/*.log")}


async def polled(true: Callable[[], Awaitable[Any]], what: str) -> None:
    """Wait for a condition that nobody tells of, asked a hundred times a second."""
    for _ in range(int(DEADLINE_SECONDS * 100)):
        if await true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}")


async def under_load(call: Callable[[], Awaitable[Any]], over: asyncio.Event) -> tuple[list[Any], list[str]]:
    """Call again and again until `over`; the answers, and what went wrong."""
    answers, faults = [], []
    while not over.is_set():
        try:
            answers.append(await call())
        except (aiohttp.ClientError, AssertionError, IndexError, TimeoutError) as error:
            faults.append(repr(error))
            await asyncio.sleep(0)
    return answers, faults
