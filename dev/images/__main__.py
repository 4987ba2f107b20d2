"""The command line: `python -m dev.images` builds and loads, `--print` only names."""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dev.cluster import api, mounts, packages, up
from dev.cluster.console import ClusterError, say, step
from dev.cluster.lock import only_one
from dev.cluster.paths import Layout, default_layout
from dev.images import base, load, wheels
from dev.images.builder import Builder
from dev.images.content import TOOLS, Snapshot, references, snapshots, stage

KEEP = 20  # images in the layout; more are pruned to those of the present sources


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.images", description=__doc__)
    parser.add_argument("--print", action="store_true", dest="names", help="print the images' names and build nothing")
    try:
        if parser.parse_args().names:
            for role, reference in references().items():
                print(role, reference)
            return 0
        make(default_layout())
    except ClusterError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


def make(layout: Layout) -> None:
    folder = layout.cache / "images"
    store = folder / "layout"
    with only_one(folder):
        sweep(layout)
        images = list(snapshots().values())
        missing = [image for image in images if image.reference not in load.exported(store)]
        if missing:
            build_all(missing, layout, store)
        if len(load.exported(store)) > KEEP:
            load.prune(store, [image.reference for image in images])
        with only_one(layout.state.parent):  # no cluster comes or goes while it is filled
            load_all([image.reference for image in images], layout, store)


def storage(layout: Layout) -> Builder:
    return Builder(layout.cache / "images" / "storage", layout.cache / "images" / "run")


def sweep(layout: Layout) -> None:
    """A build that was killed leaves mounts."""
    builder = storage(layout)
    if mounts.below(builder.storage):
        builder.tidy()


def build_all(images: Iterable[Snapshot], layout: Layout, store: Path) -> None:
    packages.ensure(packages.IMAGES)
    builder = storage(layout)
    try:
        chosen = base.chosen_base()
        base.ensure(chosen, builder, layout.cache)
        for image in images:
            build(image, chosen, builder, layout)
            builder.export(image.reference, store)
    finally:
        builder.tidy()


def build(image: Snapshot, chosen: base.Base, builder: Builder, layout: Layout) -> None:
    folder = wheelhouse(image, chosen, layout)
    with step(f"build {image.reference}"), tempfile.TemporaryDirectory() as context:
        stage(image.files, Path(context))
        builder.build(
            context=Path(context),
            dockerfile=image.recipe.dockerfile,
            reference=image.reference,
            arguments={"BASE_IMAGE": chosen.reference, **(wheels.build_arguments(folder) if folder else {})},
            wheels=folder,
        )


def wheelhouse(image: Snapshot, chosen: base.Base, layout: Layout) -> Path | None:
    """Wheels for our own base image; a foreign one brings pip, and its build asks the registry."""
    if chosen.python is None:
        return None
    locked = (image.files[TOOLS], image.files[image.recipe.requirements])
    return wheels.ensure(image.recipe.name, locked, chosen.python, layout.cache)


def load_all(wanted: list[str], layout: Layout, store: Path) -> None:
    """Into our own cluster when it is up; otherwise say where the images are."""
    if not api.is_own():
        say(f"KUBECONFIG names a cluster that is not ours: load the images of {store} into it yourself")
    elif not up.is_up(layout):
        say(f"no cluster is up; the images are in {store}")
    else:
        ctr = api.tools().ctr or ()
        present = load.loaded(ctr)
        for reference in wanted:
            if load.full_name(reference) not in present:
                with step(f"load {reference} into the cluster"):
                    load.load(reference, store, ctr)
    say(f"images: {' '.join(wanted)}")


if __name__ == "__main__":
    sys.exit(main())
