"""buildah with storage of its own in the cache: builds Dockerfiles without a daemon, exports into an OCI layout."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import mounts
from dev.cluster.console import ClusterError
from dev.cluster.packages import last_lines


@dataclass(frozen=True)
class Builder:
    storage: Path
    run: Path

    def call(self, *arguments: str, cwd: Path | None = None) -> str:
        """Raises ClusterError with the last lines of what buildah said."""
        done = subprocess.run([*self.command(), *arguments], cwd=cwd, capture_output=True, text=True)
        if done.returncode != 0:
            raise ClusterError(f"buildah {arguments[0]} failed:\n{last_lines(done.stdout + done.stderr, 20)}")
        return done.stdout.strip()

    def command(self) -> tuple[str, ...]:
        return ("buildah", "--root", str(self.storage), "--runroot", str(self.run), "--storage-driver", "overlay")

    def has(self, reference: str) -> bool:
        done = subprocess.run([*self.command(), "inspect", "--type", "image", reference], capture_output=True)
        return done.returncode == 0

    def image_of_archive(self, archive: Path, reference: str) -> None:
        """An image whose one layer is the content of `archive`."""
        container = self.call("from", "scratch")
        self.call("add", "--quiet", container, str(archive), "/")
        self.call("commit", "--quiet", "--rm", container, reference)

    def build(
        self, *, context: Path, dockerfile: str, reference: str, arguments: Mapping[str, str], wheels: Path | None
    ) -> None:
        """Build with cached layers. `wheels` is seen by the build as /wheels."""
        flags = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        if wheels:
            flags += ["--pull-never", f"--volume={wheels}:/wheels:ro"]
        self.call(
            "bud",
            "--layers",
            "--isolation=chroot",
            *flags,
            f"--file={dockerfile}",
            f"--tag={reference}",
            ".",
            cwd=context,
        )

    def tidy(self) -> None:
        """Remove the working containers, which a failed build leaves mounted, and the mount of the storage itself."""
        self.call("rm", "--all")
        mounts.unmount(self.storage)

    def export(self, reference: str, layout: Path) -> None:
        """Write the image into an OCI layout, where images share their blobs; its name there is `reference`."""
        fast = ("--compression-format=zstd", "--compression-level=1")
        self.call("push", "--quiet", "--format=oci", *fast, reference, f"oci:{layout}:{reference}")
