"""The RuntimeConfig from the environment, checked for what a schema cannot say; for `main.py` and `service.py`."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from pydantic import ValidationError

from serinus_api.runtime import CONFIG_ENV, ModelSource, RuntimeConfig
from serinus_runtime.errors import Misconfigured

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def read_config(environment: Mapping[str, str]) -> RuntimeConfig:
    """The configuration in `SERINUS_RUNTIME_CONFIG`.

    Raises:
        Misconfigured: absent, not JSON, not the contract, a malformed digest, or a path that leaves the mount.

    """
    text = environment.get(CONFIG_ENV)
    if not text:
        msg = f"the environment variable {CONFIG_ENV} is not set"
        raise Misconfigured(msg)
    try:
        config = RuntimeConfig.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        msg = f"{CONFIG_ENV} is not a RuntimeConfig: {faults}"
        raise Misconfigured(msg) from error
    _check_source(config.source)
    return config


def _check_source(source: ModelSource) -> None:
    if source.digest is not None and not DIGEST.fullmatch(source.digest):
        msg = f"source.digest {source.digest!r} is not sha256:<64 hexadecimal digits>"
        raise Misconfigured(msg)
    if source.path is None:
        return
    path = PurePosixPath(source.path)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in source.path:
        msg = f"source.path {source.path!r} is not a relative path inside the mount"
        raise Misconfigured(msg)
