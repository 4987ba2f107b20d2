"""A gateway as in a pod, on this machine and without a cluster: for the component tests and for `bench`."""
