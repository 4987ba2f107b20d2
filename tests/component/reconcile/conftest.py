"""The stories run on a virtual clock: an hour of waiting costs nothing."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from tests.fakes.virtual_time import VirtualLoop
from tests.fakes.world import World, config_map


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualLoop}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A cluster with a running operator, and a ConfigMap that holds a good model."""
    async with World() as made:
        made.apply(config_map("iris-model", b"model one"))
        made.start()
        yield made
        assert not made.invariants.broken, f"{made.invariants.broken}\n{made.describe()}"
