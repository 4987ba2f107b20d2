"""The errors of the runtime, in one tree.

    RuntimeFault
    ├── Misconfigured            the RuntimeConfig cannot be used             exit 12
    ├── ModelRefused             a verdict on the model: reason and message   exit 10 or 11
    └── RequestRefused           an answer to one request
        ├── InvalidRequest         400
        ├── Unknown                404
        ├── NotAllowed             405
        ├── ReceiptTimeout         408
        ├── BodyTooLarge           413
        ├── UnsupportedMedia       415
        ├── Overloaded             429, with Retry-After
        ├── HeadersTooLarge        431
        ├── InferenceFailed        500
        ├── Unsupported            501
        └── Unavailable            503

Raised anywhere below `app.py` (requests), `preflight.py` and `main.py` (models), and translated only there. Messages
go to users: no path of the pod, no secret, no traceback.
"""

from typing import ClassVar

from serinus_api.conditions import FINAL_REASONS, Reason
from serinus_api.runtime import EXIT_REFUSED, EXIT_WAITING


class RuntimeFault(Exception):  # noqa: N818 - the root; its children are named by what they find
    """Everything this program refuses on purpose."""


class Misconfigured(RuntimeFault):
    """The configuration itself is wrong; the operator made it, so this is a fault of ours."""


class ModelRefused(RuntimeFault):
    """The model cannot be served; `reason` is the word of the condition that will say so."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    @property
    def exit_code(self) -> int:
        """A source that changed under its pin will not change back by itself, so it is refused like a final cause."""
        final = self.reason in FINAL_REASONS or self.reason is Reason.SOURCE_CHANGED
        return EXIT_REFUSED if final else EXIT_WAITING


class RequestRefused(RuntimeFault):
    """One request is answered with `status` and `{"error": message}`."""

    status: ClassVar[int] = 500

    def __init__(self, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers


class InvalidRequest(RequestRefused):
    """The request contradicts the protocol or the model's signature."""

    status = 400


class Unknown(RequestRefused):
    """No such path, model or version."""

    status = 404


class NotAllowed(RequestRefused):
    """The path exists, the method does not."""

    status = 405


class ReceiptTimeout(RequestRefused):
    """The sender took too long to send its request."""

    status = 408


class BodyTooLarge(RequestRefused):
    """The body, or what it decompresses to, is beyond the limit."""

    status = 413


class UnsupportedMedia(RequestRefused):
    """A content type or content encoding that is never taken."""

    status = 415


class Overloaded(RequestRefused):
    """In-flight places and queue are full."""

    status = 429

    def __init__(self, message: str) -> None:
        super().__init__(message, (b"retry-after", b"1"))


class HeadersTooLarge(RequestRefused):
    """More header bytes or fields than the limit."""

    status = 431


class InferenceFailed(RequestRefused):
    """The model failed on an input that fits its signature."""

    status = 500


class Unsupported(RequestRefused):
    """A part of the protocol's extensions that this server does not have."""

    status = 501


class Unavailable(RequestRefused):
    """Not ready yet, or not in time."""

    status = 503
