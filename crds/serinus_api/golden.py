"""Which golden requests a model was tried with: the digest on which operator and preflight pod agree. Pure.

The operator takes it of the ConfigMap that it reads, the runtime of the files that the kubelet has mounted. As long as
both give the same, the verdict is on the golden requests that the user sees.
"""

import hashlib
from collections.abc import Mapping


def golden_digest(files: Mapping[str, bytes]) -> str:
    """`sha256:<64 hex>` over names and contents; the order in which they are given does not matter.

    Each name and each content goes in by its own digest, so that no two sets of files read alike.
    """
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(hashlib.sha256(name.encode()).digest())
        whole.update(hashlib.sha256(files[name]).digest())
    return f"sha256:{whole.hexdigest()}"
