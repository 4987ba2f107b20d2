"""The lines of `kubectl describe` that matter for one moment: some conditions, and the last events. Pure."""

from collections.abc import Iterable, Iterator

DROPPED = ("Last Transition Time:", "Observed Generation:")
LAST_FIELD = "Type:"
EVENTS = 4


def excerpt(description: str, types: Iterable[str]) -> list[str]:
    """The blocks of the conditions `types` in the order of the text, then the heading and the last events."""
    lines = description.splitlines()
    wanted = set(types)
    shown = [line for block in conditions(lines) if block[-1].split()[-1] in wanted for line in block]
    return ["  Conditions:", *shown, *events(lines)]


def conditions(lines: list[str]) -> Iterator[list[str]]:
    """One block of lines for each condition, without its time and generation; `Type:` is a block's last line."""
    start = next((n for n, line in enumerate(lines) if line.strip() == "Conditions:"), len(lines))
    indent = "    "
    block: list[str] = []
    for line in lines[start + 1 :]:
        if not line.startswith(indent):
            return
        if not line.strip().startswith(DROPPED):
            block.append(line)
        if line.strip().startswith(LAST_FIELD):
            yield block
            block = []


def events(lines: list[str]) -> list[str]:
    """`Events:` with its two lines of heading and the last few events."""
    start = next((n for n, line in enumerate(lines) if line.startswith("Events:")), len(lines))
    found = lines[start:]
    return [*found[:3], *found[3:][-EVENTS:]]
