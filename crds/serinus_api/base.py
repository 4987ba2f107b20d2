"""The base of every model in the contract: camelCase outside, frozen inside, docstrings as descriptions."""

from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Rule(NamedTuple):
    """A CEL rule over one object of the API (`x-kubernetes-validations`), written beside the model it judges.

    Standard CEL only: the API server and the library of local mode evaluate the same text.
    """

    cel: str
    """True for an object that is allowed; `self` is the object."""
    message: str
    """Names the field and the remedy."""
    field: str = ""
    """The field the message is about, as a path below `self`: `.maxReplicas`."""

    def to_manifest(self) -> dict[str, str]:
        """The rule as an entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message, "fieldPath": self.field}
        return {key: value for key, value in entry.items() if value}


class ApiModel(BaseModel):
    """A frozen value written in camelCase.

    Unknown fields are ignored on reading, so that an older program survives a newer contract; the schema made from the
    model still refuses them where users write.
    """

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What the schema alone cannot say."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the model, with its rules."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.to_manifest() for rule in cls.rules]
        return schema

    def to_manifest(self) -> dict[str, Any]:
        """The value as Kubernetes reads it: camelCase, plain JSON types, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
