"""The loop's tests run on a virtual clock."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

from tests.fakes.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualLoop}
