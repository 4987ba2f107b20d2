"""What goes into each image, and the name that follows from it. Reads files; writes only `stage`'s folder."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.paths import PROJECT
from dev.images.base import Base, chosen_base

TOOLS = "dev/images/build.txt"
SHARED = ("pyproject.toml", "README.md", "LICENSE", "crds/serinus_api", TOOLS)
STAGED_TIME = 1_600_000_000  # every staged file bears it: the builder's cache goes by time too
TAG_LENGTH = 12


@dataclass(frozen=True)
class Recipe:
    """One image: its Dockerfile and requirements lie in `folder`, its sources in `packages`.

    `variant` is the first part of both names where the folder has those of several images.
    """

    name: str
    folder: str
    packages: tuple[str, ...]
    variant: str = ""

    @property
    def dockerfile(self) -> str:
        return f"{self.folder}/{self.variant}.Dockerfile" if self.variant else f"{self.folder}/Dockerfile"

    @property
    def requirements(self) -> str:
        return f"{self.folder}/{self.variant}-requirements.txt" if self.variant else f"{self.folder}/requirements.txt"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*SHARED, self.dockerfile, self.requirements, *self.packages)


RECIPES = {
    "operator": Recipe("serinus-operator", "operator", ("operator/serinus_operator",)),
    "runtime": Recipe("serinus-runtime", "serving", ("serving/serinus_runtime",)),
    "gateway": Recipe("serinus-gateway", "serving", ("serving/serinus_gateway",), variant="gateway"),
}


@dataclass(frozen=True)
class Snapshot:
    """The inputs of one image as they were at one moment: path in the project → content."""

    recipe: Recipe
    files: Mapping[str, bytes]
    reference: str


def snapshot(recipe: Recipe, base: Base, project: Path = PROJECT) -> Snapshot:
    """Read every input once, so that the tag and the build speak of the same bytes even while sources change."""
    files = {path.relative_to(project).as_posix(): path.read_bytes() for path in input_files(recipe, project)}
    return Snapshot(recipe, files, f"{recipe.name}:{tag(files, base.reference)}")


def input_files(recipe: Recipe, project: Path) -> list[Path]:
    found = []
    for name in recipe.inputs:
        path = project / name
        below = path.rglob("*") if path.is_dir() else [path]
        found += [one for one in below if one.is_file() and "__pycache__" not in one.parts]
    return sorted(found)


def tag(files: Mapping[str, bytes], base: str) -> str:
    """Changes with any input's path or content, and with the base image."""
    digest = hashlib.sha256(base.encode())
    for name in sorted(files):
        digest.update(f"\0{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()[:TAG_LENGTH]


def stage(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the snapshot as a build context: nothing but the inputs, always with the same times and modes."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (STAGED_TIME, STAGED_TIME))


def snapshots() -> dict[str, Snapshot]:
    base = chosen_base()
    return {role: snapshot(recipe, base) for role, recipe in RECIPES.items()}


def references() -> dict[str, str]:
    """The image names of the sources as they are now: `{"operator": "serinus-operator:…", "runtime": …, …}`."""
    return {role: one.reference for role, one in snapshots().items()}
