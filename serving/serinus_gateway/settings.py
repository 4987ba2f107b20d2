"""The gateway's settings, read once from the environment at start. The chart writes them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from serinus_api.gateway import ADMIN_PORT, AGENT_PORT, CHECK_PORT, ENVOY_HEALTH_PORT
from serinus_gateway.description import Entrance, Frontage

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

FOLDER = "/run/serinus/envoy"


class SettingsError(ValueError):
    """A variable cannot be used; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What both containers of a gateway are told."""

    folder: str = FOLDER
    """Envoy's files: one folder, seen by both."""
    host: str = ""
    """Address that the agent's open port listens on; empty: all, IPv4 and IPv6."""
    listen_host: str = "::"
    """Address that the models' ports listen on."""
    agent_port: int = AGENT_PORT
    check_port: int = CHECK_PORT
    admin_port: int = ADMIN_PORT
    health_port: int = ENVOY_HEALTH_PORT
    pod_addresses: tuple[str, ...] = ()
    """Addresses of this gateway, as EndpointSlices name it."""
    watch_namespaces: tuple[str, ...] = ()
    """Empty: all namespaces."""
    max_pending: int = 10_000
    """Requests held at most, of all models together."""
    connection_seconds: int = 60
    drain_seconds: int = 60
    """After SIGTERM: wait this long at most for every EndpointSlice to forget this gateway, and as long again for what
    is under way."""
    entrance: Entrance | None = None
    """Set by local mode alone."""
    log_format: Literal["json", "console"] = "json"
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Settings from `SERINUS_…` variables. Raises SettingsError."""
        env = os.environ if environment is None else environment
        log_format, level = env.get("SERINUS_LOG_FORMAT", "json"), env.get("SERINUS_LOG_LEVEL", "INFO")
        if log_format not in ("json", "console"):
            raise SettingsError(f"SERINUS_LOG_FORMAT is {log_format!r}: use json or console")
        if level not in LEVELS:
            raise SettingsError(f"SERINUS_LOG_LEVEL is {level!r}: use one of {', '.join(LEVELS)}")
        return cls(
            folder=env.get("SERINUS_ENVOY_FOLDER", FOLDER),
            host=env.get("SERINUS_AGENT_HOST", ""),
            listen_host=env.get("SERINUS_LISTEN_HOST", "::"),
            agent_port=_number(env, "SERINUS_AGENT_PORT", AGENT_PORT, 65535),
            check_port=_number(env, "SERINUS_CHECK_PORT", CHECK_PORT, 65535),
            admin_port=_number(env, "SERINUS_ADMIN_PORT", ADMIN_PORT, 65535),
            health_port=_number(env, "SERINUS_HEALTH_PORT", ENVOY_HEALTH_PORT, 65535),
            pod_addresses=_words(env.get("SERINUS_POD_IPS", "")),
            watch_namespaces=_words(env.get("SERINUS_WATCH_NAMESPACES", "")),
            max_pending=_number(env, "SERINUS_MAX_PENDING", 10_000),
            connection_seconds=_number(env, "SERINUS_CONNECTION_SECONDS", 60),
            drain_seconds=_number(env, "SERINUS_DRAIN_SECONDS", 60),
            log_format="console" if log_format == "console" else "json",
            log_level=level,
        )

    @property
    def frontage(self) -> Frontage:
        """What rendering takes of them."""
        return Frontage(
            folder=self.folder,
            listen_host=self.listen_host,
            check_port=self.check_port,
            admin_port=self.admin_port,
            health_port=self.health_port,
            connection_seconds=self.connection_seconds,
            entrance=self.entrance,
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _number(env: Mapping[str, str], name: str, default: int, most: int = 1_000_000) -> int:
    text = env.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise SettingsError(f"{name} is {text!r}: use a whole number from 1 to {most}")
    return int(text)
