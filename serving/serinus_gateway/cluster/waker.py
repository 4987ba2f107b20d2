"""The port `Waker` on a cluster: the scale of a revision's Deployment, from 0 to its first size and nothing else.

At 0 the Scale object has an empty `spec`, so a JSON patch cannot test it; the merge patch carries the resourceVersion
of the read instead. A 409 means that somebody else was faster: what they did is looked at with the next read.
"""

from serinus_gateway.cluster.api import Api, ApiError
from serinus_gateway.world import WakeFailed

CONFLICT = 409


class ScaleWaker:
    """Wakes by `/scale`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def wake(self, namespace: str, revision: str, replicas: int) -> None:
        """See `Waker.wake`."""
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{revision}/scale"
        try:
            scale = await self._api.get(path)
            if scale.get("spec", {}).get("replicas", 0) > 0:
                return
            version = scale["metadata"]["resourceVersion"]
            await self._api.patch(path, {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}})
        except ApiError as error:
            if error.status == CONFLICT:
                raise WakeFailed("somebody else changed the size at the same time") from error
            raise WakeFailed(f"the API server did not start {revision}: {error}") from error
