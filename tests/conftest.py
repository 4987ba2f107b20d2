"""What every tier of tests shares: the switch that writes golden files anew, and how properties are tried."""

import hypothesis
import pytest

hypothesis.settings.register_profile("serinus", deadline=None, print_blob=True)  # a busy machine fails no test
hypothesis.settings.load_profile("serinus")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew, then read the diff")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
