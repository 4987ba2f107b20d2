"""The gateway: Envoy moves the bytes, an agent beside it decides. It holds what comes for a model that sleeps."""

__version__ = "0.1.0"
