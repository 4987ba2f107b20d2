"""What every chapter has at hand: kubectl in the demo's namespace, and a look at what is there for the checks.

Made by the command line. Nothing here tells what should be; that is said in `story.py`.
"""

from dataclasses import dataclass, field
from typing import Any

from dev.demo.excerpt import excerpt
from dev.demo.flowers import Truth, compare, predict, telling_flower, truths
from dev.demo.narration import DemoError, Narrator
from dev.demo.shell import Shell
from dev.demo.site import MARK, Site

from serinus_api import names

TIMEOUT = "--timeout=120s"
CHILDREN = "deployments,services,pods,configmaps,poddisruptionbudgets,networkpolicies,controllerrevisions"
OF_IRIS = f"{names.LABEL_DEPLOYMENT}=iris"
SERVING = names.selector_string("iris")
CLUSTER_KINDS = "clusterroles,clusterrolebindings"


@dataclass
class Scene:
    """One demo on one site, told to one narrator."""

    narrator: Narrator
    shell: Shell
    site: Site
    direct: bool
    """Whether this machine has a route to service addresses."""
    address: str = ""
    """Where the model answers, once it is served."""
    truth: tuple[Truth, Truth] = field(default_factory=truths)
    """scikit-learn's own answers: of the first model, and of the improved one."""

    def __post_init__(self) -> None:
        self.first, self.improved = self.truth
        telling = telling_flower(self.first, self.improved)
        self.measures = [round(float(measure), 1) for measure in self.first.features[telling]]
        """A flower about which the two models differ, so that an answer tells which one gave it."""
        self.first_says, self.improved_says = self.first.labels[telling], self.improved.labels[telling]

    def check(self, holds: bool, words: str, found: object = "") -> None:
        """State what holds, or end the demo."""
        self.narrator.check(holds, words, found)

    # What a user types

    def kubectl(self, *arguments: str) -> None:
        """Tell and run kubectl in the model's namespace."""
        self.shell.show("kubectl", "-n", self.site.models, *arguments)

    def apply(self, path: str) -> None:
        self.kubectl("apply", "-f", path)

    def wait(self, condition: str) -> None:
        self.kubectl("wait", f"--for={condition}", "mdep/iris", TIMEOUT)

    def describe(self, *conditions: str) -> None:
        """Some conditions and the last events from `kubectl describe`."""
        command = ("kubectl", "-n", self.site.models, "describe", "mdep", "iris")
        self.narrator.command(command)
        self.narrator.output(excerpt(self.shell.ask(*command), conditions))

    # What is there

    def model(self) -> dict[str, Any]:
        """The ModelDeployment."""
        live: dict[str, Any] = self.shell.read("mdep", "iris", "-n", self.site.models)
        return live

    def stable(self) -> str:
        """The revision that serves."""
        return str(self.model()["status"]["stableRevision"])

    def condition(self, kind: str) -> dict[str, Any]:
        """One condition of the ModelDeployment."""
        return condition(self.model(), kind)

    def pods(self) -> set[tuple[str, str, int]]:
        """Name, identity and restarts of the model's ready pods."""
        found = self.shell.read("pods", "-n", self.site.models, "-l", SERVING)["items"]
        return {
            (
                pod["metadata"]["name"],
                pod["metadata"]["uid"],
                sum(one["restartCount"] for one in pod["status"]["containerStatuses"]),
            )
            for pod in found
            if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)
        }

    def has_pods(self, revision: str) -> bool:
        """Whether a pod of the revision is left, be it one that ends."""
        return self.shell.exists("pods", "-n", self.site.models, "-l", f"{names.LABEL_REVISION}={revision}")

    def children(self) -> list[str]:
        """What the model has brought into its namespace."""
        return self.shell.ask("kubectl", "get", CHILDREN, "-n", self.site.models, "-l", OF_IRIS, "-o", "name").split()

    def leftovers(self) -> list[str]:
        """The demo's namespaces, and the objects of its release that are in none."""
        instance = f"app.kubernetes.io/instance={self.site.release}"
        marked = self.shell.ask("kubectl", "get", "namespaces", "-l", MARK, "-o", "name").split()
        return [
            *self.shell.ask("kubectl", "get", CLUSTER_KINDS, "-l", instance, "-o", "name").split(),
            *(name for name in marked if name.partition("/")[2] in self.site.namespaces),
        ]

    def compare(self, truth: Truth) -> None:
        """Ask the served model about 50 flowers; it says what scikit-learn says."""
        compare(self.narrator, predict(self.address, truth.features), truth, self.stable())


def condition(live: dict[str, Any], kind: str) -> dict[str, Any]:
    """One condition of an object. DemoError when it has none of that kind."""
    for one in live.get("status", {}).get("conditions", ()):
        if one["type"] == kind:
            found: dict[str, Any] = one
            return found
    raise DemoError(f"{live['kind']} {live['metadata']['name']} has no condition {kind}")


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod takes traffic."""
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
