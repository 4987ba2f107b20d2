"""Every sample manifest before the real API server: the good ones pass, the bad ones are refused in the words told."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.harness.world import World

SAMPLES = Path(__file__).parents[1] / "samples"
EXAMPLES = Path(__file__).parents[2] / "examples"
EXPECT = "# expect: "


def judged(world: World, namespace: str, files: list[Path]) -> dict[str, tuple[int, str]]:
    """Exit code and words of a dry run of each file."""

    def judge(file: Path) -> tuple[int, str]:
        done = world.kubectl.to(namespace).try_("apply", "--dry-run=server", "--validate=strict", "-f", str(file))
        return done.returncode, done.stderr

    with ThreadPoolExecutor(4) as threads:
        return dict(zip((file.name for file in files), threads.map(judge, files), strict=True))


def test_good_samples_and_examples_are_accepted(world: World, namespace: str) -> None:
    files = [*sorted(SAMPLES.glob("good/*.yaml")), *sorted(EXAMPLES.rglob("*.yaml"))]
    refused = {name: words for name, (code, words) in judged(world, namespace, files).items() if code}
    assert len(files) > 10
    assert not refused


def test_bad_samples_are_refused_in_the_words_told(world: World, namespace: str) -> None:
    files = sorted(SAMPLES.glob("bad/*.yaml"))
    expected = {file.name: file.read_text().splitlines()[0] for file in files}
    answers = judged(world, namespace, files)
    wrong = {
        name: (line, answers[name])
        for name, line in expected.items()
        if not line.startswith(EXPECT) or answers[name][0] == 0 or line.removeprefix(EXPECT) not in answers[name][1]
    }
    assert len(files) > 10
    assert not wrong
    world.figures.note("samples before the real API server", bad_refused=len(files))
