"""`serinus validate`: says what is wrong with manifests without running them."""

import sys
from pathlib import Path

from serinus_operator.cli import exits
from serinus_operator.cli.check import check, title
from serinus_operator.cli.documents import Document, Problem, files_of, read


def validate(sources: tuple[Path, ...]) -> int:
    """Print every problem, and a line for each document that is good. The exit code."""
    readings = [read(file) for file in files_of(sources)]
    checked = check(document for reading in readings for document in reading.documents)
    problems: list[Problem] = [problem for reading in readings for problem in reading.problems]
    problems += [problem for item in checked for problem in item.problems]
    if not checked and not problems:
        named = ", ".join(Document(source, 1, None).source for source in sources)
        problems.append(Problem(named, 1, "holds no document"))
    for problem in sorted(problems, key=lambda p: (p.file, p.line)):
        print(problem, file=sys.stderr)
    for item in checked:
        if item.good and item.key:
            print(f"{title(item.key)} is valid ({item.document.source}:{item.document.line})")
    return exits.OK if all(problem.warning for problem in problems) else exits.FAILED
