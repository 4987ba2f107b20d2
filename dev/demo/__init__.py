"""The main job, told step by step and checked: `python -m dev.demo` (`make demo`, `make run`).

In local mode, with no cluster, no root and no Docker (package `local`): trains two models, serves the first, predicts,
scales, updates under traffic, is refused three bad models, stops and goes on. It leaves nothing behind.

With `--cluster` on a real Kubernetes (`on_cluster.py` and the modules beside it): installs the operator with Helm,
tells the same with kubectl, and uninstalls. It has two namespaces and a Helm release of its own, watches only its own
namespace, and leaves nothing behind but the cluster, so that it can run beside whatever else is there.
"""
