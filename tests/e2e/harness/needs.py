"""Stories that need our own cluster: processes of its node, or its audit log; and what becomes of them elsewhere.

They carry the mark `own_node`. Elsewhere they are skipped with their reason; where the variable CI is set they fail, so
that a pipeline that leaves them out says so itself: `-m "not own_node"`.
"""

import os
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """This cluster lacks what the story needs."""
    if os.environ.get("CI"):
        pytest.fail(f'{what}; with CI set nothing is skipped: leave it out with -m "not own_node"', pytrace=False)
    pytest.skip(what)
