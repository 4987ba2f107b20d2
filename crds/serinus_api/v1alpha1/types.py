"""Bounded scalars that the models of `v1alpha1` are made of.

Every string, list, map and number of the API has a bound: it keeps objects small and the cost of CEL rules calculable.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

QUANTITY_PATTERN = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
DNS_LABEL_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
KEY_PATTERN = r"^[-._a-zA-Z0-9]+$"


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(max_length=32, pattern=QUANTITY_PATTERN),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "minimum": 0, "maxLength": 32, "pattern": QUANTITY_PATTERN},
    ),
]
"""A Kubernetes quantity as written (`500m`, `1`, `256Mi`); a whole number is taken as its text."""

DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL_PATTERN)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=OBJECT_NAME_PATTERN)]
ConfigKey = Annotated[str, Field(min_length=1, max_length=253, pattern=KEY_PATTERN)]
Text = Annotated[str, Field(max_length=1024)]
LongText = Annotated[str, Field(max_length=32768)]
Word = Annotated[str, Field(max_length=253)]
SpecHash = Annotated[str, Field(max_length=64)]
Digest = Annotated[str, Field(max_length=71)]
Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC, whole seconds: `2026-01-31T12:00:00Z`."""
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]

Generation = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""`metadata.generation` as it was observed."""
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Replicas = Annotated[int, Field(ge=0, le=10_000)]
Elapsed = Annotated[int, Field(ge=0, le=2_147_483_647)]
"""Seconds of the monotonic clock, summed over restarts."""
Percent = Annotated[int, Field(ge=0, le=100)]
Measure = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
"""A measured value in the unit that the metric's name carries (milliseconds, permille, percent)."""
