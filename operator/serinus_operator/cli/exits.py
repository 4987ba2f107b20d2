"""How a command ends. Imported by every command, so it imports nothing."""

OK = 0
FAILED = 1
"""The input is invalid, a model is Stalled, what was asked for is not there, or the state folder takes no writes."""
USAGE = 2
"""Wrong options, or something that this version cannot do."""


class Fault(Exception):  # noqa: N818  # an answer to the user, not a fault of ours
    """Ends the command with a message on standard error; caught by `app.main` alone."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
