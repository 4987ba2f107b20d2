"""The main job on a real Kubernetes, told step by step and checked: `python -m dev.demo` (`make demo`, `make run`).

It installs the operator with Helm, serves `examples/iris.yaml`, predicts, updates under traffic, is refused two bad
models, scales, deletes and uninstalls. It has two namespaces and a Helm release of its own, watches only its own
namespace, and leaves nothing behind but the cluster, so that it can run beside whatever else is there.
"""
