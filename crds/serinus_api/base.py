"""The base of every model in the contract: camelCase outside, frozen inside, docstrings as descriptions."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """A frozen value written in camelCase.

    Unknown fields are ignored on reading, so that an older program survives a newer contract; the schema made from the
    model still refuses them where users write.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )
