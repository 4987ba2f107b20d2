"""From a Pod's manifest to the process that plays it. Pure, but for the look-up of ConfigMaps that is handed in."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from serinus_api import runtime
from serinus_operator.local.addresses import Place
from serinus_operator.quantity import amount

Manifest = Mapping[str, Any]
PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What a process needs of this machine; everything else comes from the manifest, as in a container."""
RUNTIME = "serinus_runtime.main"
MAX_DRAIN_SECONDS = 1
SOURCE_CHECK_SECONDS = 1
LOOPBACK = "127.0.0.0/8"
"""Every pod is somewhere in it (`addresses.py`), so copies for a candidate go there and nowhere else."""


class ConfigMissing(Exception):  # noqa: N818  # named by what is found
    """An environment variable refers to something that is not there."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one pod's mounts lie on this machine."""

    pod: Path
    volumes: Path

    @property
    def work(self) -> Path:
        """Its writable folder."""
        return self.pod / "work"

    @property
    def temporary(self) -> Path:
        """Its /tmp."""
        return self.pod / "tmp"

    @property
    def termination_log(self) -> Path:
        """Its last words."""
        return self.pod / "termination-log"

    def mount(self, volume: Manifest) -> Path:
        """The folder that stands for a volume."""
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        if claim := volume.get("persistentVolumeClaim"):
            return self.volumes / str(claim["claimName"])
        return self.pod / "mounts" / str(volume["name"])


@dataclass(frozen=True, slots=True)
class Program:
    """What to run."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    name: str = RUNTIME
    """A module of Python, or the path of an executable."""


def container_of(pod: Manifest) -> Manifest:
    """The only container of our pods."""
    container: Manifest = pod["spec"]["containers"][0]
    return container


def memory_limit(pod: Manifest) -> int | None:
    """Bytes that the container may use."""
    text = container_of(pod).get("resources", {}).get("limits", {}).get("memory")
    found: Decimal | None = amount(text)
    return None if found is None else int(found)


def missing_claim(pod: Manifest, folders: Folders) -> str | None:
    """The claim of a volume whose folder does not exist."""
    for volume in pod["spec"].get("volumes", ()):
        claim = volume.get("persistentVolumeClaim")
        if claim and not folders.mount(volume).is_dir():
            return str(claim["claimName"])
    return None


def passed_on() -> dict[str, str]:
    """The part of our own environment that a process of ours gets."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def build_program(
    pod: Manifest, place: Place, folders: Folders, config_map: Callable[[str], Manifest | None]
) -> Program:
    """The process of a pod. Raises ConfigMissing."""
    container = container_of(pod)
    environment = passed_on()
    environment |= {"TMPDIR": str(folders.temporary), "HOME": str(folders.work)}
    for entry in container.get("env", ()):
        value = _value(entry, config_map)
        if value is not None:
            environment[entry["name"]] = value
    told = runtime.RuntimeConfig.model_validate_json(environment[runtime.CONFIG_ENV])
    environment[runtime.CONFIG_ENV] = _here(told, pod, place, folders).model_dump_json(by_alias=True)
    return Program(tuple(container.get("args", ())), environment, folders.work)


def _here(told: runtime.RuntimeConfig, pod: Manifest, place: Place, folders: Folders) -> runtime.RuntimeConfig:
    """The configuration with this machine's address and folders."""
    mounts = {volume["name"]: str(folders.mount(volume)) for volume in pod["spec"].get("volumes", ())}
    source = told.source.model_copy(update={"ca_file": mounts["ca"]}) if told.source.ca_file else told.source
    return told.model_copy(
        update={
            "source": source,
            "host": place.host,
            "http_port": place.http_port,
            "metrics_port": place.metrics_port,
            "model_mount": mounts.get("model", told.model_mount),
            "golden_mount": mounts.get("golden", told.golden_mount),
            "work_mount": str(folders.work),
            "termination_log": str(folders.termination_log),
            "drain_seconds": min(told.drain_seconds, MAX_DRAIN_SECONDS),
            "source_check_seconds": SOURCE_CHECK_SECONDS,
            "own_group": False,
            "shadow_network": LOOPBACK,
        }
    )


def _value(entry: Manifest, config_map: Callable[[str], Manifest | None]) -> str | None:
    """An environment variable's value; None where an optional reference leads nowhere."""
    if "valueFrom" not in entry:
        return str(entry.get("value", ""))
    reference = entry["valueFrom"]["configMapKeyRef"]
    found = config_map(reference["name"])
    value = ((found or {}).get("data") or {}).get(reference["key"])
    if value is None and not reference.get("optional"):
        what = f'configmap "{reference["name"]}" not found' if found is None else f"no key {reference['key']!r} in it"
        raise ConfigMissing(f"env {entry['name']}: {what}")
    return None if value is None else str(value)
