"""The command line: `python -m dev.envoy_gateway` builds and loads, and prints where the chart is."""

import argparse
import sys

from dev.cluster.console import ClusterError, say
from dev.cluster.paths import default_layout
from dev.envoy_gateway import image, module
from dev.images.load import full_name


def main() -> int:
    argparse.ArgumentParser(prog="python -m dev.envoy_gateway", description=__doc__).parse_args()
    layout = default_layout()
    try:
        name = image.make(layout)
        say(f"chart: {module.chart(layout.cache, full_name(name))}")
    except ClusterError as error:
        print(f"envoy-gateway: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
