"""The chaos tier runs in the frame of the end-to-end suite: the same cluster, images, order, figures and histories."""

from tests.e2e.conftest import (  # noqa: F401  # fixtures and hooks count where they are named
    namespace,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_configure_node,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_sessionfinish,
    pytest_sessionstart,
    pytest_terminal_summary,
    shared_world,
    world,
)
