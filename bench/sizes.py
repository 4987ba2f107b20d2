"""How large things are: the CRD, and the objects of one model as they are stored."""

import gzip
import json
from pathlib import Path

from bench.kube import Kube, Manifest
from bench.report import Line, bounded
from serinus_api import names

GROUP = "sizes"
CRD_AIM = 100_000
PATHS = {
    "ModelDeployment": f"/apis/{names.API_VERSION}/namespaces/{{}}/{names.PLURAL}",
    "ControllerRevision": "/apis/apps/v1/namespaces/{}/controllerrevisions",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
}


async def stored(api: Kube, namespace: str) -> list[Manifest]:
    """One object of each kind that matters, as the API server gives it out."""
    found = []
    for kind, path in PATHS.items():
        listed = await api.call("GET", path.format(namespace) + "?limit=1")
        found.append({**listed["items"][0], "kind": kind})
    return found


def lines(crd: Path, objects: list[Manifest]) -> list[Line]:
    """Bytes of the CRD's file and of each object as compact JSON, with and without `managedFields`."""
    text = crd.read_bytes()
    packed = len(gzip.compress(text, mtime=0))
    made = [
        bounded(
            GROUP,
            "CRD (YAML)",
            f"{len(text):,} bytes ({packed:,} gzipped)",
            number=len(text),
            at_most=CRD_AIM,
            raw={"bytes": len(text)},
        )
    ]
    for manifest in objects:
        whole = _compact(manifest)
        meta = {k: v for k, v in manifest["metadata"].items() if k != "managedFields"}
        plain = _compact({**manifest, "metadata": meta})
        what = f"{manifest['kind']} of a ConfigMap model (JSON)"
        made.append(
            Line(GROUP, what, f"{plain:,} bytes (+{whole - plain:,} managedFields)", raw={"bytes": plain, "all": whole})
        )
    return made


def _compact(manifest: Manifest) -> int:
    return len(json.dumps(manifest, separators=(",", ":")).encode())
