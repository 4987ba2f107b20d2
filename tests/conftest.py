"""What every tier of tests shares: the switch that writes golden files anew, and how properties are tried."""

import os
import random

import hypothesis
import pytest

hypothesis.settings.register_profile("serinus", deadline=None, print_blob=True)  # a busy machine fails no test
hypothesis.settings.load_profile("serinus")


def pytest_configure() -> None:
    """One seed for all that a run draws by chance."""
    os.environ.setdefault("SERINUS_SEED", str(random.SystemRandom().randrange(10**9)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"SERINUS_SEED={os.environ['SERINUS_SEED']} draws the same again")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew, then read the diff")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
