"""The entry port: every model of an instance on one address, found by host name or by path.

    http://<name>.localhost:8080/v2/…                 a model of the namespace `default`
    http://<name>.<namespace>.localhost:8080/v2/…
    http://localhost:8080/models/<namespace>/<name>/v2/…
    http://localhost:8080/                            all models with their state, as JSON

Made by `serinus run`. The port is Envoy's: it leads to the pods, or holds a request until they are there
(`gateway.py`). What leads to no model is answered by the pages.
"""

import asyncio
import contextlib
import socket
from typing import Any

from serinus_operator.cache import Cache
from serinus_operator.cluster.process import NAMESPACE, ProcessCluster
from serinus_operator.gateways import Gateways
from serinus_operator.local.addresses import free_port
from serinus_operator.local.gateway import Gateway
from serinus_operator.local.gatewaylook import LocalGateways
from serinus_operator.local.instance import Instance
from serinus_operator.local.pages import DOMAIN, MODELS, Pages
from serinus_operator.local.stats import Rates, Stats

__all__ = ["Entry", "Stats"]

FINISH_SECONDS = 10.0
"""So long `stop` waits for requests that are under way."""
COUNT_SECONDS = 1.0


class Entry:
    """Serves from `start` to `stop`. To be made before its instance starts."""

    def __init__(self, instance: Instance, *, host: str = "127.0.0.1", port: int = 8080) -> None:
        """`port` 0 takes a free one; `port` tells which from the beginning."""
        self.host, self.port = host, port or free_port()
        self._instance = instance
        self._gateway = Gateway(instance)
        self._pages = Pages(instance, self.urls, self.stats)
        self._rates = Rates()
        instance.address = self.address
        instance.make_gateways = self._gateways

    async def start(self) -> None:
        """Listen. OSError when the port is taken, EnvoyFailed (local.envoy) when Envoy does not serve."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((self.host, self.port))
            probe.listen(1)
        async with contextlib.AsyncExitStack() as undo:
            await self._pages.start()
            undo.push_async_callback(self._pages.stop)
            await self._gateway.start(self.host, self.port, self._pages.place)
            undo.pop_all()
        self._instance.spawn("gateway", self._gateway.run())
        self._instance.spawn("statistics", self._count())

    async def stop(self) -> None:
        """Accept nothing more, let what is under way be answered."""
        await self._gateway.stop(FINISH_SECONDS)
        await self._pages.stop()

    @property
    def gateway(self) -> Gateway:
        """What stands behind the port."""
        return self._gateway

    def stats(self, namespace: str, name: str) -> Stats:
        """The model's traffic through this port in the last ten seconds."""
        return self._rates.stats((namespace, name))

    def listing(self) -> list[dict[str, Any]]:
        """Every model with its state, by namespace and name."""
        return self._pages.listing()

    def address(self, namespace: str, name: str) -> str:
        """Where a model answers, by host name (`status.url`)."""
        host = f"{name}.{DOMAIN}" if namespace == NAMESPACE else f"{name}.{namespace}.{DOMAIN}"
        return f"http://{host}:{self.port}"

    def urls(self, namespace: str, name: str) -> list[str]:
        """Where a model answers, by host name and by path."""
        by_path = f"http://{self.host}:{self.port}/{MODELS}/{namespace}/{name}"
        return [self.address(namespace, name), by_path]

    def _gateways(self, cluster: ProcessCluster, cache: Cache) -> Gateways:
        return LocalGateways.over(self._gateway, cluster, cache, lambda: self._instance.queue)

    async def _count(self) -> None:
        """Ask Envoy once a second what has come."""
        while True:
            report = await self._gateway.report()
            models = report.models if report else ()
            arrivals = {(one.namespace, one.name): one.arrivals for one in models if one.arrivals is not None}
            if len(arrivals) == len(models):
                late = await self._gateway.agent.latencies()
                self._rates.add(asyncio.get_running_loop().time(), arrivals, late)
            await asyncio.sleep(COUNT_SECONDS)
