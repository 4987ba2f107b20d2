"""The command line: `python -m dev.cluster up|down|status|env`."""

import argparse
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime

from dev.cluster import api, down, process, up
from dev.cluster.console import ClusterError, say, step
from dev.cluster.lock import only_one
from dev.cluster.paths import Layout, default_layout


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m dev.cluster",
        description="A real one-node Kubernetes on this machine, or the one that KUBECONFIG names.",
    )
    verbs = made.add_subparsers(dest="verb", required=True)
    for name, words in (
        ("up", "build what is not built, start the cluster, wait until it is usable"),
        ("down", "take it down, leaving no process, mount, interface, rule or cgroup"),
        ("status", "say what runs; exit 1 when no cluster is up"),
        ("env", 'print shell lines to use it: eval "$(python -m dev.cluster env)"'),
    ):
        verbs.add_parser(name, help=words, description=words)
    return made


def run_up(layout: Layout) -> None:
    if foreign := api.given(layout):
        check_foreign()
        say(f"using the cluster of KUBECONFIG={foreign}")
        return
    up.up(layout, datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC))
    say(f"up · KUBECONFIG={layout.kubeconfig}")
    say('use it: eval "$(.venv/bin/python -m dev.cluster env)"; kubectl get nodes')


def check_foreign() -> None:
    command = [str(api.tools().kubectl), "version", "--request-timeout=10s"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"the cluster of KUBECONFIG does not answer: {done.stderr.strip()}")


def run_down(layout: Layout) -> None:
    if api.given(layout):
        say("KUBECONFIG names a cluster that is not ours; left alone")
        return
    with only_one(layout.state.parent):
        up.refuse_stranger(layout)
        if not down.traces(layout):
            say("nothing to take down")
            return
        with step("take down"):
            down.take_down(layout)


def run_status(layout: Layout) -> None:
    if foreign := api.given(layout):
        check_foreign()
        say(f"the cluster of KUBECONFIG={foreign} answers")
        return
    for name, identity in process.recorded(layout).items():
        say(f"{name} pid {identity.pid} {'running' if process.alive(identity) else 'dead'}")
    say(f"up · KUBECONFIG={api.kubeconfig()}")


def run_env() -> None:
    for name, value in api.environment().items():
        print(f"export {name}={shlex.quote(value)}")


def main() -> int:
    verb = parser().parse_args().verb
    layout = default_layout()
    try:
        match verb:
            case "up":
                run_up(layout)
            case "down":
                run_down(layout)
            case "status":
                run_status(layout)
            case _:
                run_env()
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
