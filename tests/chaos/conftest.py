"""The chaos tier runs in the frame of the end-to-end suite: the same cluster, images, order, figures and histories."""

import pytest
from tests.e2e import suite


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    suite.join(pluginmanager)
