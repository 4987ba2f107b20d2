"""The port to whatever holds the objects, and its adapters. Nothing else in the operator talks to a cluster."""
