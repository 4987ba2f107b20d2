"""Kubernetes quantities as numbers."""

from decimal import Decimal
from typing import Any

import pytest

from serinus_operator.quantity import amount


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        (2, "2"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("1.", "1"),
        ("1k", "1000"),
        ("2e3", "2000"),
        ("1E3", "1000"),
        ("1E", "1e18"),
        ("500000u", "0.5"),
        ("1n", "1e-9"),
        ("1Ki", "1024"),
        ("0.5Gi", "536870912"),
    ],
)
def test_quantity(quantity: Any, expected: str) -> None:
    assert amount(quantity) == Decimal(expected)


@pytest.mark.parametrize("other", ["", "m", "x", "1x", "1 Gi", "Gi", "1Kim", True, None, 1.5, [], {}])
def test_anything_else_is_none(other: Any) -> None:
    assert amount(other) is None
