"""What a RuntimeConfig must not say."""

import json
from typing import Any

import pytest

from serinus_api.runtime import CONFIG_ENV, RuntimeConfig
from serinus_runtime.config import read_config
from serinus_runtime.errors import Misconfigured

GOOD: dict[str, Any] = {
    "modelName": "iris",
    "modelVersion": "iris-1a2b3c4d",
    "source": {"uri": "pvc://claim/m/model.onnx", "path": "m/model.onnx", "digest": "sha256:" + "0a" * 32},
}


def config(**source: Any) -> RuntimeConfig:
    return read_config({CONFIG_ENV: json.dumps(GOOD | {"source": GOOD["source"] | source})})


def test_a_good_one_is_read() -> None:
    assert config().source.path == "m/model.onnx"
    assert config().limits.max_concurrency == 8


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "the environment variable SERINUS_RUNTIME_CONFIG is not set"),
        ({CONFIG_ENV: ""}, "the environment variable SERINUS_RUNTIME_CONFIG is not set"),
        ({CONFIG_ENV: "{"}, "SERINUS_RUNTIME_CONFIG is not a RuntimeConfig: it: Invalid JSON"),
        ({CONFIG_ENV: "{}"}, "modelName: Field required"),
        ({CONFIG_ENV: json.dumps(GOOD | {"limits": {"maxQueue": -1}})}, "limits.maxQueue: Input should be greater"),
    ],
)
def test_an_unusable_environment_is_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_config(environment)
    assert words in str(caught.value)


@pytest.mark.parametrize("digest", ["sha256:" + "0A" * 32, "sha256:0a", "md5:" + "0a" * 16, "0a" * 32, ""])
def test_a_malformed_digest_is_refused(digest: str) -> None:
    with pytest.raises(Misconfigured, match="is not sha256:<64 hexadecimal digits>"):
        config(digest=digest)


@pytest.mark.parametrize("path", ["/etc/passwd", "../model.onnx", "m/../../model.onnx", "", ".", "m\0.onnx"])
def test_a_path_that_leaves_the_mount_is_refused(path: str) -> None:
    with pytest.raises(Misconfigured, match="is not a relative path inside the mount"):
        config(path=path)
