"""The demo in local mode, from the command line: the whole story, or its beginning that stays."""

import sys
import tempfile
from pathlib import Path

from dev.cluster.console import say
from dev.demo.narration import DemoError, Narrator

from serinus_operator.local.addresses import free_port

PORT = 8080


def run(port: int | None, *, stay: bool) -> int:
    """The exit code."""
    narrator = Narrator()
    say("Serinus in local mode: no cluster, no root, no Docker")
    try:
        with tempfile.TemporaryDirectory(prefix="serinus-demo-") as name:
            folder = Path(name).resolve()
            port = port or (PORT if stay else free_port())
            code = remain(narrator, folder, port) if stay else tell(narrator, folder, port)
        if not stay:
            narrator.check(not folder.exists(), "and the demo's folder is gone")
            say(f"\n{narrator.checks} checks, all as told · {narrator.seconds():.0f} s")
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    return code


def tell(narrator: Narrator, folder: Path, port: int) -> int:
    """The whole story, from an empty folder to nothing."""
    with narrator.chapter("Train two models with scikit-learn on the iris flowers, and export them to ONNX"):
        from dev.demo.local import story  # takes a second or two, which are part of the story

        scene = story.train(narrator, folder, port)
    try:
        story.tell(scene)
    finally:
        scene.serving.kill()
    return 0


def remain(narrator: Narrator, folder: Path, port: int) -> int:
    """Three commands to try, and the example on this terminal until Ctrl-C."""
    from dev.demo.local.scene import Scene

    scene = Scene(narrator, folder, port)
    scene.save("iris.yaml")
    scene.narrator.output(
        (
            "In another terminal, from this folder:",
            "",
            scene.curl(),
            f"curl http://127.0.0.1:{scene.port}",
            f"cp examples/iris/improved.yaml {scene.manifest}",
            "",
            "The last one edits the manifest: the better model takes over. Ctrl-C ends it.",
            "",
        )
    )
    return scene.serving.run()
