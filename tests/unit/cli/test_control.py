"""Which logs are those of a model's preflight pods."""

import pytest

from serinus_api import names
from serinus_operator.local.control import _preflight_pods


@pytest.mark.parametrize("name", ["a", "a" * 63, "a" * 51])
@pytest.mark.parametrize("attempt", [1, 12, 345])
def test_preflight_pods_are_known_by_their_names(name: str, attempt: int) -> None:
    assert _preflight_pods(name).fullmatch(names.preflight_name(name, "0123abcd" * 8, attempt))


@pytest.mark.parametrize("pod", ["a-pf-b-01234567-x2k4p", "ab-pf-01234567-1", "a-01234567-x2k4p"])
def test_pods_of_others_are_not_among_them(pod: str) -> None:
    assert not _preflight_pods("a").fullmatch(pod)
