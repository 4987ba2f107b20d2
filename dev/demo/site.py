"""Where the demo takes place: names of its own, so that it can run beside other things on the same cluster.

Made by the command line, read by every chapter.
"""

import re
from dataclasses import dataclass

from dev.demo.narration import DemoError

MARK = "app.kubernetes.io/managed-by=serinus-demo"
"""Label of the demo's namespaces: others are never touched."""
PREFIX = re.compile(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Site:
    """Names of one demo on a cluster; `prefix` begins them all."""

    prefix: str

    def __post_init__(self) -> None:
        if not PREFIX.fullmatch(self.prefix):
            raise DemoError(f"{self.prefix!r} cannot begin a namespace: use at most 32 of a-z, 0-9 and -")

    @property
    def release(self) -> str:
        """The Helm release."""
        return self.prefix

    @property
    def system(self) -> str:
        """The namespace of the operator."""
        return f"{self.prefix}-system"

    @property
    def models(self) -> str:
        """The namespace of the model, the only one that the operator watches."""
        return f"{self.prefix}-models"

    @property
    def namespaces(self) -> tuple[str, str]:
        """Both."""
        return self.system, self.models
