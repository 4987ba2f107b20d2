"""The command line: `python -m dev.demo` tells the whole story; `--stay` begins it, and leaves it running."""

import argparse
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = parser().parse_args()
    try:
        if arguments.cluster:
            from dev.demo import on_cluster

            return on_cluster.run(arguments)
        from dev.demo.local import command

        return command.run(arguments.port, stay=arguments.stay)
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m dev.demo", description="The main job, told and checked.")
    made.add_argument("--stay", action="store_true", help="serve the example, and leave it running")
    made.add_argument("--port", type=int, help="of the models (a free one; with --stay 8080)")
    made.add_argument("--cluster", action="store_true", help="on a real Kubernetes instead of in local mode")
    cluster = made.add_argument_group("with --cluster")
    cluster.add_argument("--remove", action="store_true", help="remove what --stay, or a demo that was killed, left")
    cluster.add_argument(
        "--prefix", help="the names of release and namespaces begin with it (demo; with --stay demo-stay)"
    )
    cluster.add_argument(
        "--proxy", action="store_true", help="reach the model through kubectl proxy, as in a remote cluster"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
