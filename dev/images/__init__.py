"""The images of operator, runtime and gateway, built without a daemon and loaded into the cluster of `dev.cluster`.

`python -m dev.images` (`make images`). A tag is a hash of everything that goes into the image, so an image that exists
is never built twice, and `references()` tells its name without building it.
"""

from dev.images.content import references

__all__ = ["references"]
