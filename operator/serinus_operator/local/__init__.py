"""Local mode: the operator's own steps over processes instead of a cluster.

`instance.py` wires them; `workloads.py` plays the Deployment controller, `endpoints.py` the one of EndpointSlices, and
`runner.py` the kubelet. `entry.py` is the port for users, with the gateway behind it (`gateway.py`, `envoy.py`). What a
cluster has and this has not:

- Fields of nodes, accounts and Secrets (`serinus_api.local.fields_without_cluster`) are refused with `NotInLocalMode`;
  so is an image other than the runtime's own: pods are processes of the installed package.
- Requests and CPU limits reserve nothing; only `resources.limits.memory` is enforced.
- No NetworkPolicy, no Pod Security, no read-only root: a pod has the rights of the user who started it. Every local
  user can reach the pods' loopback addresses.
- A claim (`pvc://<claim>/…`) is the folder `<state>/volumes/<claim>`, shared by all namespaces.
- A ConfigMap that is mounted (`caConfigMapRef`) is written when a pod starts and not refreshed while it runs.
- `drainSeconds` counts up to one second: the gateway forgets a pod in a fraction of it, so nothing waits for endpoints.
- Pods end with the instance, and start anew with the next; statuses, revisions and models' copies are kept.
- A model file that is a symbolic link out of its folder is refused (UnsafeModel): name the file it leads to.
"""
