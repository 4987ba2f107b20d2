"""The image of the control plane, and the way into the cluster."""

import shutil
import tempfile
from pathlib import Path

from dev.cluster import packages
from dev.cluster.console import step
from dev.cluster.lock import only_one
from dev.cluster.paths import Layout
from dev.envoy_gateway import module
from dev.images import base, load
from dev.images.__main__ import load_all, storage
from dev.images.content import tag

DOCKERFILE = Path(__file__).parent / "image.Dockerfile"


def reference() -> str:
    """The image's name: changes with the program, the Dockerfile and the base."""
    files = {"Dockerfile": DOCKERFILE.read_bytes(), "program": module.key().encode()}
    return f"serinus-test-envoy-gateway:{tag(files, base.chosen_base().reference)}"


def make(layout: Layout) -> str:
    """Build what is not there yet, load it into the cluster that is up, and return the image's name."""
    program = module.ensure(layout.cache)
    images = layout.cache / "images"
    store, name = images / "layout", reference()
    with only_one(images):
        if name not in load.exported(store):
            build(program, name, layout, store)
        with only_one(layout.state.parent):  # no cluster comes or goes while it is filled
            load_all([name], layout, store)
    return name


def build(program: Path, name: str, layout: Layout, store: Path) -> None:
    packages.ensure(packages.IMAGES)
    builder, chosen = storage(layout), base.chosen_base()
    try:
        base.ensure(chosen, builder, layout.cache)
        with step(f"build {name}"), tempfile.TemporaryDirectory() as context:
            shutil.copy(program, context)
            shutil.copy(DOCKERFILE, Path(context) / "Dockerfile")
            builder.build(
                context=Path(context),
                dockerfile="Dockerfile",
                reference=name,
                arguments={"BASE_IMAGE": chosen.reference},
                wheels=None,
            )
        builder.export(name, store)
    finally:
        builder.tidy()
