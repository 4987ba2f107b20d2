"""Kubernetes quantities as numbers. Pure; called by `drift` and by rendering."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

_FACTORS: Final = {
    **{s: Decimal(1000) ** n for n, s in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{s: Decimal(1024) ** n for n, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
}


def amount(value: Any) -> Decimal | None:
    """`500m` is 0.5, `1Ki` is 1024, `2e3` is 2000; None for anything that is no quantity."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    text = str(value)
    digits = text.rstrip("kKMGTPEimun")
    factor = _FACTORS.get(text[len(digits) :])
    if factor is None or digits[-1:] not in tuple("0123456789."):
        return None
    try:
        return Decimal(digits) * factor
    except InvalidOperation:
        return None
