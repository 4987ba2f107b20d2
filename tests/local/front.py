"""An entry port whose pods are small servers of the test: a kubelet that has them ready at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from tests.local.quick import QuickPods
from tests.local.stage import DEADLINE_SECONDS, Stage, model_of, polled

from serinus_api import names
from serinus_api.runtime import READY_PATH
from serinus_operator.cluster.port import POD
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.local.addresses import Place
from serinus_operator.state import Manifest

ABSENT = Place("127.0.0.1", 1, 1)
"""A pod that accepts nothing, although it is said to be ready."""


class ServedPods(QuickPods):
    """Each serving pod is the next of `free`, in the order in which they are made."""

    def __init__(self, cluster: ProcessCluster) -> None:
        super().__init__(cluster)
        self.free: list[Place] = []
        self._taken: dict[str, Place] = {}
        self.well = True
        """False: pods stay as they are."""

    def place(self, pod: Manifest) -> Place | None:
        meta = pod["metadata"]
        if meta["labels"][names.LABEL_ROLE] == names.ROLE_SERVING and meta["uid"] not in self._taken and self.free:
            self._taken[meta["uid"]] = self.free.pop(0)
        return self._taken.get(meta["uid"])

    def _advance(self, pod: Manifest) -> None:
        if self.well:
            super()._advance(pod)


class Front(Stage):
    """An instance with such pods."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, front=True, pods=ServedPods)
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        await super().start()
        self.direct = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=DEADLINE_SECONDS), auto_decompress=False, trust_env=False
        )

    async def close(self, *, drain: bool = False) -> Any:
        await self.direct.close()
        report = await super().close(drain=drain)
        for runner in self._runners:
            await runner.cleanup()
        return report

    async def serve(self, *answers: Callable[[web.Request], Any] | None, **spec: Any) -> None:
        """A model `m` with a pod for each of the answers; None is one that accepts nothing."""
        places = [await self._pod(answer) if answer else ABSENT for answer in answers]
        self.kubelet.free += places
        await self.apply(model_of("file:///a.onnx", replicas=len(answers), **spec))
        await self.ready()
        await self.known()

    @property
    def kubelet(self) -> ServedPods:
        runner = self.instance.runner
        assert isinstance(runner, ServedPods)
        return runner

    async def known(self) -> None:
        """Wait until Envoy has the model's routes, and chooses among its pods by itself."""
        await polled(self._warm, "Envoy chooses among the pods by itself")

    async def _warm(self) -> bool:
        report = await self.entry.gateway.report()
        return bool(report and report.models) and all(m.applied and not m.guarded for m in report.models)

    async def _pod(self, answer: Callable[[web.Request], Any]) -> Place:
        async def well(_: web.Request) -> web.Response:
            return web.Response()

        application = web.Application(client_max_size=1 << 30)
        application.router.add_get(READY_PATH, well)
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, auto_decompress=False, handler_cancellation=True, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return Place("127.0.0.1", runner.addresses[0][1], 1)

    def unready(self) -> None:
        """All pods have stopped to be ready."""
        self.kubelet.well = False
        for pod in self.cluster.select(POD):
            meta = pod["metadata"]
            conditions = [{**c, "status": "False"} for c in pod["status"]["conditions"]]
            self.cluster.put_status(
                POD, meta["namespace"], meta["name"], meta["uid"], {**pod["status"], "conditions": conditions}
            )
