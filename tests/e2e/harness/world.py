"""Everything that a story is handed: the cluster, the images, and makers of namespaces, models and releases."""

import json
import random
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from dev.cluster import api as cluster
from dev.images.load import full_name, loaded
from tests.e2e.harness.api import Api
from tests.e2e.harness.audit import AuditLog, instant
from tests.e2e.harness.figures import Figures
from tests.e2e.harness.helm import Images, Release, values
from tests.e2e.harness.kubectl import Kubectl, run
from tests.e2e.harness.models import Model
from tests.e2e.harness.sources import FileServer, Volume
from tests.e2e.harness.stage import Stage
from tests.e2e.harness.waiting import wait_for

RUN_LABEL = "serinus-e2e"
SYSTEM = "serinus-e2e-system"
FILES = "serinus-e2e-files"
CRD = Path(__file__).resolve().parents[3] / "crds" / "serving.serinus.dev_modeldeployments.yaml"
ENFORCE = "pod-security.kubernetes.io/enforce"


@dataclass
class World:
    """One worker's view of the cluster."""

    folder: Path
    images: Images
    seed: int
    kubectl: Kubectl = field(init=False)
    api: Api = field(init=False)
    made: list[str] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)

    def __post_init__(self) -> None:
        tools = cluster.tools()
        self.kubectl = Kubectl(tools.kubectl, cluster.kubeconfig())
        self.api = Api(tools.kubectl, cluster.kubeconfig())
        self.stage = Stage(self.folder)
        self.figures = Figures(self.folder)

    @property
    def run_name(self) -> str:
        return self.folder.name.rpartition("-")[2].strip("_")

    @property
    def audit(self) -> AuditLog | None:
        """None on a cluster whose log cannot be read."""
        file = cluster.audit_log()
        return AuditLog(file) if file else None

    def namespace(self, story: str) -> str:
        """A namespace of its own for a story, in which only restricted pods are admitted."""
        word = re.sub(r"[^a-z0-9]+", "-", story.lower()).strip("-")[:32].strip("-")
        name = f"e2e-{word}-{uuid.uuid4().hex[:5]}"
        self.make_namespace(name)
        self.made.append(name)
        return name

    def make_namespace(self, name: str) -> None:
        labels = {RUN_LABEL: self.run_name, ENFORCE: "restricted"}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def model(self, namespace: str, name: str) -> Model:
        return Model(self.api, self.kubectl.to(namespace), namespace, name, self.folder)

    def release(self, name: str, namespace: str) -> Release:
        tools = cluster.tools()
        return Release(tools.helm, cluster.kubeconfig(), self.api, name, namespace)

    def main_release(self) -> Release:
        """The one that watches every namespace."""
        return self.release("serinus-e2e", SYSTEM)

    def begin(self) -> None:
        """Remember when the run began, and take away what one that was killed has left."""
        (self.folder / "began").write_text(instant())
        if ctr := cluster.tools().ctr:
            held = loaded(ctr)
            missing = [
                image
                for image in (self.images.operator, self.images.runtime, self.images.gateway)
                if full_name(image) not in held
            ]
            assert not missing, f"the cluster does not have {', '.join(missing)}; load them: make images"
        if not self.api.get("customresourcedefinitions", None, "modeldeployments.serving.serinus.dev"):
            # An operator of a story's own comes without it, also where that story is the only one of the run.
            # Under Helm's name, so that a release may change it later.
            self.kubectl("apply", "--server-side", "--field-manager=helm", "-f", str(CRD))
        others = f"{RUN_LABEL},{RUN_LABEL}!={self.run_name}"
        self.kubectl("delete", "namespaces", "-l", others, "--timeout=120s")

    def install_main(self) -> None:
        self.make_namespace(SYSTEM)
        self.make_namespace(FILES)
        FileServer.start(self.api, self.kubectl, FILES, self.images.runtime)
        release = self.main_release()
        release.install(values(self.images, hosts=(FileServer.host(FILES),)))
        release.wait_for_leader()
        self.note_grants(release)

    def uninstall_main(self) -> None:
        self.main_release().uninstall()

    def began(self) -> str:
        """When the run began, as the audit log writes time."""
        return (self.folder / "began").read_text()

    def note_grants(self, release: Release) -> None:
        """Keep the rules that the chart grants, for the story that compares them with what was used."""
        rules = [m for m in release.manifests() if m["kind"] in ("ClusterRole", "Role")]
        (self.folder / f"grants-{release.namespace}.json").write_text(json.dumps(rules))

    def own_release(
        self, namespace: str, beside: str = "", *, replicas: int = 1, gateways: int = 0, admission_policy: bool = False
    ) -> Release:
        """A release whose operator lives in `namespace` and watches nothing else but the one `beside` it, if any."""
        release = self.release("serinus", namespace)
        self.releases.append(release)
        watch = (namespace, beside) if beside else (namespace,)
        release.install(
            values(
                self.images,
                watch=watch,
                replicas=replicas,
                crd=False,
                gateways=gateways,
                admission_policy=admission_policy,
            )
        )
        release.wait_for_leader()
        if gateways:
            wait_for(lambda: len(release.gateways()) == gateways, seconds=90, what="the gateways are ready")
        self.note_grants(release)
        return release

    def files(self) -> FileServer:
        trusted = self.api.get("configmaps", FILES, "files")
        assert trusted
        return FileServer(self.api, FILES, trusted["data"]["tls.crt"])

    def volume(self, namespace: str, claim: str) -> Volume:
        volume = Volume(self.kubectl.to(namespace), claim)
        volumes = cluster.volumes()
        volume.make(self.images.runtime, volumes / f"{namespace}-{claim}" if volumes else None)
        return volume

    def second_images(self) -> Images:
        """The same images under other names."""
        images = (self.images.operator, self.images.runtime, self.images.gateway)
        return Images(*(second_name(image, cluster.tools().ctr) for image in images))

    def random(self, story: str) -> random.Random:
        """Chances of a fault story; its seed and how to have the same again are printed."""
        print(f"seed {self.seed}; again: make e2e E2E_ARGS='-k {story} --seed {self.seed}'")
        return random.Random(f"{self.seed}/{story}")

    def describe(self) -> str:
        """What there is to see when a story failed: its models, its pods' events, its operator's last words."""
        parts = []
        for name in self.made:
            for words in (
                ("mdep", "-o", "yaml"),
                ("pods,deployments,services",),
                ("events", "--sort-by=lastTimestamp"),
            ):
                done = self.kubectl.to(name).try_("get", *words)
                parts.append(f"--- {name}: {' '.join(words)}\n{done.stdout[-6000:]}{done.stderr}")
        operators = [release.logs() for release in self.releases or [self.main_release()]]
        return "\n".join(parts + operators)

    def clean(self) -> None:
        """What the story made goes, in the background."""
        for release in self.releases:
            release.helm("uninstall", release.name, "--ignore-not-found", check=False)
        for name in self.made:
            self.kubectl.try_("delete", "namespace", name, "--wait=false", "--ignore-not-found")
        self.releases.clear()
        self.made.clear()

    def close(self) -> None:
        self.clean()
        self.api.close()


def second_name(image: str, ctr: tuple[str, ...] | None, name: str = "") -> str:
    """Another reference to the same image: a second tag in our own cluster, the registry spelled out in another."""
    name = name or f"{image}-second"
    if ctr is None:
        return f"docker.io/library/{image}"
    run(*ctr, "images", "tag", "--force", f"docker.io/library/{image}", f"docker.io/library/{name}")
    return name
