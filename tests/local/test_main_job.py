"""The first of the README's two commands, from its beginning to its end: `make demo`."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 400


def test_demo_tells_its_story_to_the_end(tmp_path: Path) -> None:
    """It checks what it tells and ends with 0 only when all of it is so; it leaves nothing in its folder."""
    done = subprocess.run(
        [sys.executable, "-m", "dev.demo"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "checks, all as told" in done.stdout.splitlines()[-1]
    assert not list(tmp_path.glob("serinus-demo-*"))
