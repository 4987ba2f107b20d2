"""Envoy Gateway, a Gateway API implementation of somebody else's, for the end-to-end tests: built from its Go module.

`python -m dev.envoy_gateway` builds the program and its image and loads it into the cluster that is up. Its chart and
the CRDs come from the same module; `tests/e2e/harness/envoy_gateway.py` installs them. The Envoy that it runs is the
one of Serinus' own gateway image.
"""
