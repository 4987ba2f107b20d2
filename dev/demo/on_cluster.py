"""The demo on a real Kubernetes: the whole story, or with `--stay` its beginning, left running.

Called by `__main__` for `python -m dev.demo --cluster`.
"""

import argparse
import sys

from dev.cluster import api
from dev.cluster.console import ClusterError, say
from dev.demo import chart, story
from dev.demo.narration import DemoError, Narrator
from dev.demo.scene import Scene
from dev.demo.shell import Shell
from dev.demo.site import Site
from dev.images import references


def run(arguments: argparse.Namespace) -> int:
    """Tell it; the exit code."""
    narrator = Narrator()
    try:
        site = Site(arguments.prefix or ("demo-stay" if arguments.stay else "demo"))
        shell = Shell(narrator)
        if arguments.remove:
            chart.remove(shell, site)
            return 0
        introduce(shell, site)
        chart.refuse_a_second_operator(shell)
        scene = Scene(narrator, shell, site, direct=api.is_own() and not arguments.proxy)
        if arguments.stay:
            story.stay(scene)
        else:
            tell(scene)
    except (ClusterError, DemoError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    say(f"\n{narrator.checks} checks, all as told · {narrator.seconds():.0f} s")
    return 0


def introduce(shell: Shell, site: Site) -> None:
    """What runs where."""
    version = shell.ask("kubectl", "version", "-o", "json")
    say(f"Serinus on Kubernetes {chart.server_version(version)} · namespaces {' and '.join(site.namespaces)}")
    say(f"images {' and '.join(references().values())}")


def tell(scene: Scene) -> None:
    """The story between two clean-ups. When it ends badly, what was there is shown before it is removed."""
    chart.remove(scene.shell, scene.site)
    try:
        story.tell(scene)
    except DemoError:
        explain(scene)
        raise
    finally:
        chart.remove(scene.shell, scene.site)


def explain(scene: Scene) -> None:
    """The state of model, pods and operator, for a report of the failure."""
    models, system = scene.site.models, scene.site.system
    for command in (
        ("kubectl", "-n", models, "describe", "mdep"),
        ("kubectl", "-n", models, "get", "pods,deployments,services,events", "-o", "wide"),
        (
            "kubectl",
            "-n",
            models,
            "logs",
            "--all-containers",
            "--prefix",
            "--tail=20",
            "-l",
            "serinus.dev/deployment=iris",
        ),
        ("kubectl", "-n", system, "get", "pods,events"),
        ("kubectl", "-n", system, "logs", "--prefix", "--tail=20", "-l", "app.kubernetes.io/component=operator"),
    ):
        scene.narrator.command(command)
        done = scene.shell.attempt(*command)
        scene.narrator.output((done.stdout + done.stderr).splitlines())
