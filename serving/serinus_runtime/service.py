"""The model as a BentoML service: inside the runtime for every path beside `/v2`, or alone with `bentoml serve`.

`POST /predict` with `{"inputs": {"x": [[5.1, 3.5, 1.4, 0.2]]}}` answers `{"y": …}` in nested lists, by output name.
Inside the runtime the loaded model is shared (`share`); alone (`bentoml serve serinus_runtime.service:Model`) the
service reads the same configuration from the environment and loads the model itself.
"""

import os
from typing import Annotated, Any, TypeAlias

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")

import bentoml
from bentoml.exceptions import InternalServerError, InvalidArgument
from bentoml.validators import ContentType

from serinus_api.runtime import RuntimeConfig
from serinus_runtime.cgroup import own_control_group
from serinus_runtime.config import read_config
from serinus_runtime.errors import InvalidRequest, RequestRefused
from serinus_runtime.json_tensor import json_array
from serinus_runtime.model_store import fetch
from serinus_runtime.session import ModelSession
from serinus_runtime.shapes import check_shape
from serinus_runtime.tensors import Array

Values: TypeAlias = dict[str, Any]

_loaded: list[tuple[ModelSession, RuntimeConfig]] = []
"""The model that `serinus-runtime serve` has loaded already; BentoML makes its instance without arguments."""


def share(session: ModelSession, config: RuntimeConfig) -> None:
    """Let the service of this process use a model that is loaded."""
    _loaded[:] = [(session, config)]


@bentoml.service(
    name="serinus",
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class Model:
    """One ONNX model."""

    def __init__(self) -> None:
        self._session, self._config = _loaded[0] if _loaded else _load_alone()

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, inputs: Values) -> Annotated[Values, ContentType("application/json")]:
        """The outputs for `inputs`, both by name, as nested lists."""
        try:
            arrays = self._session.run(self._session.output_names, self._feeds(inputs))
        except InvalidRequest as error:
            raise InvalidArgument(error.message) from error
        except RequestRefused as error:
            raise InternalServerError(error.message) from error
        return {name: array.tolist() for name, array in zip(self._session.output_names, arrays, strict=True)}

    def _feeds(self, inputs: Values) -> dict[str, Array]:
        tensors = {tensor.name: tensor for tensor in self._session.signature.inputs}
        if inputs.keys() != tensors.keys():
            raise InvalidRequest(f"the model's inputs are {', '.join(map(repr, tensors))}")
        feeds = {}
        for name, data in inputs.items():
            shape = check_shape(tensors[name], _shape(data), self._config.limits)
            feeds[name] = json_array(tensors[name], shape, data, has_bools=True)
        return feeds


def _shape(data: Any) -> list[int]:
    """The lengths of nested lists, judged by their first elements: `[[1, 2, 3], [4, 5, 6]]` is 2 by 3."""
    shape = []
    while isinstance(data, list):
        shape.append(len(data))
        data = data[0] if data else None
    return shape


def _load_alone() -> tuple[ModelSession, RuntimeConfig]:
    config = read_config(os.environ)
    model = fetch(config, lambda _: None)
    session = ModelSession(model.path, config.threads or own_control_group().cpus())
    session.warm_up()
    return session, config
