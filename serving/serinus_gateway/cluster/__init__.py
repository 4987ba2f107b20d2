"""The gateway's view of a cluster: watches of ModelDeployments, Pods and EndpointSlices, and the right to wake.

api.py      requests to the API server; the only user of the Kubernetes client
follow.py   one kind of object, listed and watched for ever
world.py    the port `World`
waker.py    the port `Waker`
"""

import contextlib
from collections.abc import AsyncIterator

from serinus_gateway.cluster.api import Api
from serinus_gateway.cluster.waker import ScaleWaker
from serinus_gateway.cluster.world import KubernetesWorld
from serinus_gateway.settings import Settings


@contextlib.asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[tuple[KubernetesWorld, ScaleWaker]]:
    """Both ports, kept up to date while the context is open."""
    api = await Api.connect()
    try:
        async with KubernetesWorld(api, settings.watch_namespaces, settings.pod_addresses) as world:
            yield world, ScaleWaker(api)
    finally:
        await api.close()
