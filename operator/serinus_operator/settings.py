"""The operator's settings, read once from the environment at start. The chart writes them."""

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from serinus_api.runtime import DOWNLOAD_BYTES

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
MAX_PORT: Final = 65535
MOST_DOWNLOAD_BYTES: Final = 1024**5


class SettingsError(ValueError):
    """A variable cannot be used; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator process is told. Durations are in seconds."""

    runtime_image: str
    """Image of preflight and serving pods where the ModelDeployment names none."""
    runtime_image_pull_policy: str = "IfNotPresent"
    namespace: str = "serinus-system"
    """Where the operator itself runs and keeps its Lease."""
    identity: str = "local"
    """UID of the operator's pod; a restarted container of the same pod resumes its lease at once."""
    watch_namespaces: tuple[str, ...] = ()
    """Empty: all namespaces."""
    workers: int = 4
    resync_seconds: float = 60.0
    log_format: Literal["json", "console"] = "json"
    log_level: str = "INFO"
    health_port: int = 8080
    metrics_port: int = 9090
    lease_name: str = "serinus-operator"
    allow_hosts: tuple[str, ...] = ()
    """`downloads.allowHosts` of the chart: hosts with private addresses that models may be fetched from."""
    max_download_bytes: int = DOWNLOAD_BYTES
    """`downloads.maxBytes` of the chart: a larger download is refused (TooLarge)."""
    operator_pod_labels: Mapping[str, str] | None = None
    """Labels of the operator's pods, which may reach the second port of model pods (NetworkPolicy)."""
    gateway_pod_labels: Mapping[str, str] | None = None
    """Labels of the gateway's pods, in the operator's own namespace; None: this installation has no gateway."""
    local: bool = False
    """Processes stand in for a cluster (`serinus run`); never from the environment."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Settings from `SERINUS_…` variables. Raises SettingsError."""
        env = os.environ if environment is None else environment
        image = env.get("SERINUS_RUNTIME_IMAGE")
        if not image:
            raise SettingsError("SERINUS_RUNTIME_IMAGE is not set: name the image of the runtime (serinus-runtime:…)")
        log_format = _word(env, "SERINUS_LOG_FORMAT", "json", ("json", "console"))
        levels = tuple(logging.getLevelNamesMapping())
        return cls(
            runtime_image=image,
            runtime_image_pull_policy=_word(env, "SERINUS_RUNTIME_IMAGE_PULL_POLICY", "IfNotPresent", PULL_POLICIES),
            namespace=env.get("SERINUS_NAMESPACE", "serinus-system"),
            identity=env.get("SERINUS_POD_UID") or f"{socket.gethostname()}-{os.getpid()}",
            watch_namespaces=_words(env.get("SERINUS_WATCH_NAMESPACES", "")),
            workers=_number(env, "SERINUS_WORKERS", 4),
            resync_seconds=float(_number(env, "SERINUS_RESYNC_SECONDS", 60)),
            log_format="console" if log_format == "console" else "json",
            log_level=_word(env, "SERINUS_LOG_LEVEL", "INFO", levels, upper=True),
            health_port=_number(env, "SERINUS_HEALTH_PORT", 8080, most=MAX_PORT),
            metrics_port=_number(env, "SERINUS_METRICS_PORT", 9090, most=MAX_PORT),
            lease_name=env.get("SERINUS_LEASE_NAME", "serinus-operator"),
            allow_hosts=_words(env.get("SERINUS_DOWNLOAD_ALLOW_HOSTS", "")),
            max_download_bytes=_number(env, "SERINUS_DOWNLOAD_MAX_BYTES", DOWNLOAD_BYTES, most=MOST_DOWNLOAD_BYTES),
            gateway_pod_labels=_labels(env.get("SERINUS_GATEWAY_POD_LABELS", "")),
            operator_pod_labels=_labels(env.get("SERINUS_OPERATOR_POD_LABELS", "")),
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _labels(text: str) -> dict[str, str] | None:
    pairs = dict(word.partition("=")[::2] for word in _words(text))
    return pairs or None


def _word(env: Mapping[str, str], name: str, default: str, allowed: Sequence[str], *, upper: bool = False) -> str:
    text = env.get(name, default)
    word = text.upper() if upper else text
    if word not in allowed:
        raise SettingsError(f"{name} is {text!r}: use one of {', '.join(allowed)}")
    return word


def _number(env: Mapping[str, str], name: str, default: int, *, most: int = 1_000_000) -> int:
    text = env.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise SettingsError(f"{name} is {text!r}: use a whole number from 1 to {most}")
    return int(text)
