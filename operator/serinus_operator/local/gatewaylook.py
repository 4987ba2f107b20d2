"""What the operator's steps see of the gateway in local mode: one, in the way of every request, always."""

from collections.abc import Callable

from serinus_api.gateway import GatewayReport
from serinus_operator.cache import Cache
from serinus_operator.cluster.port import Cluster
from serinus_operator.gateways import Gateways
from serinus_operator.local.addresses import HOME
from serinus_operator.local.gateway import Gateway
from serinus_operator.places import GatewayPod
from serinus_operator.queue import Key, WorkQueue

NAME = "entry"


class LocalGateways(Gateways):
    """See `Gateways`."""

    _gateway: Gateway

    @classmethod
    def over(cls, gateway: Gateway, cluster: Cluster, cache: Cache, queue: Callable[[], WorkQueue]) -> "LocalGateways":
        """For an instance with an entry port; its queue is made later."""

        async def ask(_: str) -> GatewayReport | None:
            return await gateway.report()

        async def probe(_: str) -> bool:
            return gateway.serves

        made = cls(
            cluster,
            cache,
            "",
            {},
            ask,
            probe,
            enqueue=lambda key: queue().add(key),
            nudge=lambda key: queue().nudge(key),
            always=True,
        )
        made._gateway = gateway
        return made

    @property
    def installed(self) -> bool:
        """See `Gateways.installed`."""
        return True

    async def find(self) -> tuple[GatewayPod, ...]:
        """See `Gateways.find`."""
        return (GatewayPod(NAME, (HOME,)),) if self._gateway.serves else ()

    async def answer(self, key: Key, address: str | None) -> bool | None:
        """See `Gateways.answer`: no request reaches a pod by another way, so there is nothing to be tried."""
        return self._gateway.serves
