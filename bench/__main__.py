"""The command line: `python -m bench [PART|all]` prints a Markdown table, and writes JSON into `bench/out/`."""

import argparse
import platform
import signal
import sys
from collections.abc import Callable
from types import FrameType

from dev.cluster.console import ClusterError, say
from dev.demo.narration import DemoError

from bench import canary, local, operators, procfs, report, runtimes, scaling, shadow
from bench.gateway import measure as gateways
from bench.report import Line

QUICK = "small numbers: a minute or two, for developing the benchmark itself; not for judging"


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m bench", description="Figures side by side; docs/figures.md explains."
    )
    parts = ("operator", "runtime", "local", "gateway", "scaling", "canary", "shadow", "all")
    made.add_argument("what", nargs="?", default="all", choices=parts)
    made.add_argument("--quick", action="store_true", help=QUICK)
    made.add_argument("--objects", type=int, help="ModelDeployments per round of `operator` (default 300)")
    made.add_argument(
        "--rounds",
        type=int,
        help="interleaved rounds (default 3 of `operator`, 7 of `runtime`, 5 of `local`, 9 of `gateway`'s hop)",
    )
    return made


def operator_lines(options: argparse.Namespace) -> list[Line]:
    """Ours against the bare operator."""
    objects = options.objects or (20 if options.quick else 300)
    rounds = options.rounds or (1 if options.quick else 3)
    return operators.measure(operators.Size(objects, rounds, 10.0 if options.quick else 60.0))


def runtime_lines(options: argparse.Namespace) -> list[Line]:
    """Ours against bare servers and BentoML."""
    rounds = options.rounds or (2 if options.quick else 7)
    return runtimes.measure(runtimes.Size(rounds, 1.0 if options.quick else 3.0, 2 if options.quick else 7))


def local_lines(options: argparse.Namespace) -> list[Line]:
    """What a user of local mode waits for."""
    starts = options.rounds or (2 if options.quick else 5)
    return local.measure(local.Size(starts, helps=3 if options.quick else 10, demo=not options.quick))


def gateway_lines(options: argparse.Namespace) -> list[Line]:
    """The hop, the way from zero, and sleeping models."""
    size = gateways.QUICK if options.quick else gateways.FULL
    return gateways.measure(size.with_rounds(options.rounds) if options.rounds else size)


def scaling_lines(options: argparse.Namespace) -> list[Line]:
    """Our decisions against an HPA-like rule, in virtual time."""
    return scaling.measure((10.0,) if options.quick else (3.0, 10.0, 30.0))


def canary_lines(options: argparse.Namespace) -> list[Line]:
    """How the defaults of the analysis decide, simulated."""
    return canary.measure(canary.Size(20, 10) if options.quick else canary.Size())


def shadow_lines(options: argparse.Namespace) -> list[Line]:
    """What copies for a candidate cost the stable pod."""
    return shadow.measure(shadow.Size(2, 1.0) if options.quick else shadow.Size(options.rounds or 9))


def ended(number: int, _: FrameType | None) -> None:
    """SIGTERM ends the run as Ctrl-C does: what was started is stopped."""
    sys.exit(128 + number)


def main() -> int:
    """Run, print, keep."""
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, ended)
    parts: dict[str, Callable[[argparse.Namespace], list[Line]]] = {
        "operator": operator_lines,
        "runtime": runtime_lines,
        "local": local_lines,
        "gateway": gateway_lines,
        "scaling": scaling_lines,
        "canary": canary_lines,
        "shadow": shadow_lines,
    }
    facts: dict[str, object] = {"python": platform.python_version(), "kernel": platform.release()}
    lines: list[Line] = []
    try:
        for name, part in parts.items():
            if options.what in (name, "all"):
                loads = [procfs.load_average()]
                lines += part(options)
                loads.append(procfs.load_average())
                say(f"{name}: load average {loads[0]:.1f} before, {loads[1]:.1f} after")
                facts[f"load of {name}"] = loads
    except (ClusterError, DemoError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    path = report.save(options.what, lines, facts)
    print(f"\n{report.markdown(lines)}\n\nkept in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
