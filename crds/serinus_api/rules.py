"""Evaluates CEL with the library that `docs/decisions/0001-cel-library.md` chose. Used by `admission.py` alone.

Expressions are compiled once. The library checks them as the API server does: a function that is not standard CEL does
not compile. The library cuts a text at its first NUL, so a NUL is shown to it as another control character.
"""

from functools import cache
from typing import Any

from cel_expr_python import cel

_ENVIRONMENT = cel.NewEnv(
    variables={"self": cel.Type.DYN, "text": cel.Type.STRING, "pattern": cel.Type.STRING},
)


@cache
def _program(expression: str) -> Any:
    return _ENVIRONMENT.compile(expression)


def without_nul(value: Any) -> Any:
    """`value` with U+0001 for every NUL: give this to `holds`."""
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    return value.replace("\0", "\1") if isinstance(value, str) else value


def holds(expression: str, value: Any) -> bool | str:
    """Whether the rule is true of `value` as `self`; its error in words when it cannot be evaluated."""
    result = _program(expression).eval(data={"self": value})
    answer = result.plain_value()
    return answer if isinstance(answer, bool) else str(answer)


def matches(text: str, pattern: str) -> bool:
    """Whether `pattern` (RE2, as in the API server) is found in `text`."""
    return bool(
        _program("text.matches(pattern)").eval(data={"text": without_nul(text), "pattern": pattern}).plain_value()
    )
