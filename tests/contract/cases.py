"""What the operator relies on in a cluster, said once: each case runs on every adapter that claims to be one.

A case takes a `surface`; it is provided by `test_process.py` (the store of local mode) and `test_fake.py` (the cluster
of the component tests) here, and by `tests/e2e/test_contract.py` (an API server), which import the cases.
"""

from tests.contract.model_cases import *  # noqa: F403
from tests.contract.object_cases import *  # noqa: F403
