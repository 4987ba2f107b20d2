"""What is mounted where. The table is read instead of asking `os.path.ismount`, which overlooks binds."""

import subprocess
from pathlib import Path

from dev.cluster.waiting import holds_within

TABLE = Path("/proc/self/mountinfo")
UNMOUNT_SECONDS = 10.0
ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


def parse(table: str) -> tuple[Path, ...]:
    """Every mount point, the last mounted first; the table writes blanks as octal numbers."""
    return tuple(Path(unescaped(line.split()[4])) for line in reversed(table.splitlines()))


def unescaped(text: str) -> str:
    for code, character in ESCAPES:
        text = text.replace(code, character)
    return text


def below(*folders: Path) -> tuple[Path, ...]:
    """Mount points at or below any of the folders, in the order in which they can be unmounted."""
    points = parse(TABLE.read_text())
    return tuple(point for point in points if any(point.is_relative_to(folder) for folder in folders))


def unmount(*folders: Path) -> None:
    """Unmount everything below the folders; what is still busy after a while is detached."""

    def all_gone() -> bool:
        for point in below(*folders):
            subprocess.run(["umount", str(point)], capture_output=True)
        return not below(*folders)

    if below(*folders) and not holds_within(all_gone, UNMOUNT_SECONDS):
        for point in below(*folders):
            subprocess.run(["umount", "--lazy", str(point)], capture_output=True)
