"""What every chapter has at hand: the folder with the manifest, the running command, and scikit-learn's own answers.

Made by `command.py`. Nothing here tells what should be; that is said in `story.py`.
"""

import json
import shlex
import textwrap
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dev.demo.flowers import Truth, compare, predict, telling_flower, truths
from dev.demo.local.serving import DIRECT, Row, Serving
from dev.demo.narration import WIDTH, Narrator
from examples.iris import train

from serinus_api.gateway import HEADER_COLD_START

INFER = "/v2/models/iris/infer"
TIMEOUT_SECONDS = 10.0


@dataclass
class Scene:
    """One demo in one folder, told to one narrator."""

    narrator: Narrator
    folder: Path
    port: int
    truth: tuple[Truth, Truth] = field(default_factory=truths)
    """scikit-learn's own answers: of the first model, and of the improved one."""

    def __post_init__(self) -> None:
        self.first, self.improved = self.truth
        telling = telling_flower(self.first, self.improved)
        self.measures = [round(float(measure), 1) for measure in self.first.features[telling]]
        """A flower about which the two models differ, so that an answer tells which one gave it."""
        self.first_says, self.improved_says = self.first.labels[telling], self.improved.labels[telling]
        self.texts = {path.name: text for path, text in train.manifests().items()}
        """The example manifests, trained anew."""
        self.manifest = self.folder / "iris.yaml"
        self.serving = Serving(self.folder, self.port)
        self.seen: set[str] = set()
        """Every address where a pod has listened."""

    def check(self, holds: bool, words: str, found: object = "") -> None:
        """State what holds, or end the demo."""
        self.narrator.check(holds, words, found)

    # What a user does

    def start(self) -> None:
        """Tell and run the command."""
        self.narrator.command(["serinus", *self.serving.arguments])
        self.serving.start()

    def show(self, *arguments: str) -> None:
        """Tell and run another verb of the command."""
        self.narrator.command(["serinus", *arguments])
        self.narrator.output(self.serving.ask(*arguments))

    def save(self, name: str, *changes: tuple[str, str]) -> None:
        """Write an example's text as the manifest, with changes; the folder is watched."""
        text = self.texts[name]
        for old, new in changes:
            text = text.replace(old, new)
        self.manifest.write_text(text)

    def ready(self, generation: int = 0) -> Row:
        """Wait until a manifest later than `generation` is rolled out."""
        return self._wait("Ready", lambda row: row.generation > generation and row.holds("Ready"))

    def stalled(self, generation: int) -> Row:
        """Wait until a manifest later than `generation` goes no further."""
        return self._wait("Stalled", lambda row: row.generation > generation and row.holds("Stalled"))

    def begun(self, generation: int) -> Row:
        """Wait until a manifest later than `generation` is seen and not rolled out yet."""

        def begun(row: Row) -> bool:
            return row.generation > generation and row.condition("Ready").get("status") == "False"

        return self._wait("a rollout has begun", begun)

    def shared(self, weight: str) -> Row:
        """Wait until stable revision and candidate share the requests so: `75/25%`."""
        return self._wait(f"they share {weight}", lambda row: row.weight == weight)

    def gone(self, revision: str) -> Row:
        """Wait until no pod of a revision is left."""
        return self._wait(f"no pod of {revision} is left", lambda row: not row.has_pods(revision))

    def sized(self, replicas: str) -> Row:
        """Wait until so many pods are ready of so many wanted, `3/3`, and no other is left."""
        count = int(replicas.partition("/")[2])
        return self._wait(
            f"{replicas} pods are ready", lambda row: row.replicas == replicas and len(row.told["pods"]) == count
        )

    def asleep(self) -> Row:
        """Wait until it sleeps, and no pod is left, be it one that ends."""
        return self._wait("it sleeps", lambda row: row.state == "Asleep" and not row.told["pods"])

    def now(self) -> Row:
        """The model as it is."""
        return self._wait("the model is listed", lambda _: True)

    def tell(self, row: Row) -> None:
        """Whether the manifest is rolled out, and whether something answers, in lines of at most a screen's width."""
        for kind in ("Ready", "Available"):
            found = row.condition(kind)
            words = f"{kind:<9}  {found['status']:<5}  {found['reason']}: {found['message']}"
            self.narrator.output(textwrap.wrap(words, WIDTH, subsequent_indent=" " * 18, break_on_hyphens=False))

    # What is there

    def compare(self, truth: Truth) -> None:
        """Ask the served model about 50 flowers; it says what scikit-learn says.

        The entry port turns to a new revision a moment after that is Ready; until then the old one answers.
        """
        revision, late = self.now().revision, time.monotonic() + TIMEOUT_SECONDS
        answers = predict(self.serving.address, truth.features)
        while answers.version != revision and time.monotonic() < late:
            answers = predict(self.serving.address, truth.features)
        compare(self.narrator, answers, truth, revision)

    def body(self) -> str:
        """One flower as a request of the Open Inference Protocol."""
        tensor = {"name": train.INPUT, "datatype": "FP32", "shape": [1, 4], "data": self.measures}
        return json.dumps({"inputs": [tensor]}, separators=(",", ":"))

    def curl(self) -> str:
        """The command that asks about one flower by the model's host name."""
        return f"curl http://iris.localhost:{self.port}{INFER} -d {shlex.quote(self.body())}"

    def by_host_name(self) -> tuple[str, int]:
        """What that command's request is answered: the species; and how many milliseconds it waited for a pod."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{INFER}", self.body().encode(), {"Host": f"iris.localhost:{self.port}"}
        )
        with DIRECT.open(request, timeout=TIMEOUT_SECONDS) as answer:
            outputs = json.load(answer)["outputs"]
            cold = int(answer.headers.get(HEADER_COLD_START, 0))
        return str(next(one["data"][0] for one in outputs if one["name"] == "label")), cold

    def _wait(self, words: str, holds: Callable[[Row], bool]) -> Row:
        def noted(row: Row) -> bool:
            self.seen.update(row.addresses)
            return holds(row)

        return self.serving.wait(words, noted)
