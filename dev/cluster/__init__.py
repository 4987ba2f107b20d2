"""A real one-node Kubernetes for tests and demonstrations, made of released parts.

`python -m dev.cluster up|down|status|env` (`make cluster`, `make cluster-down`). When `KUBECONFIG` names a cluster,
that one is used and nothing is built. Otherwise the whole node (etcd, the control plane, kubelet, kube-proxy,
containerd, CoreDNS) runs in one network namespace of this machine; the machine's own firewall is never touched.

One module per component. `up.py` says in which order they start, `down.py` in which order they go; `api.py` is what the
end-to-end tests import.
"""
