"""End-to-end stories run in the suite's frame."""

import pytest
from tests.e2e import suite


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    suite.join(pluginmanager)
