"""Install and remove the operator by its chart, with the images of this source tree.

The release is a namespaced one: it watches the demo's namespace alone, so it does not act on anybody else's models.
"""

import json

from dev.demo.narration import DemoError
from dev.demo.shell import Shell
from dev.demo.site import MARK, Site
from dev.images import references

CHART = "charts/serinus"
CRD = "crd/modeldeployments.serving.serinus.dev"
CLUSTER_WIDE = "clusterrolebinding/serinus-operator"
RELEASE_OF = "jsonpath={.metadata.annotations.meta\\.helm\\.sh/release-namespace}"
OPERATORS = "app.kubernetes.io/part-of=serinus,app.kubernetes.io/component=operator"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
HELM_SECONDS = "120s"


def refuse_a_second_operator(shell: Shell) -> None:
    """An operator for all namespaces would work on the demo's model too."""
    owner = shell.ask("kubectl", "get", CLUSTER_WIDE, "--ignore-not-found", "-o", RELEASE_OF).strip()
    if owner:
        raise DemoError(
            f"Serinus runs on this cluster already, for all namespaces (in {owner}), and would work on the demo's "
            "model too; try it there, or uninstall it for the time of the demo"
        )


def install(shell: Shell, site: Site) -> None:
    """Two namespaces that enforce Pod Security `restricted`, and the release; what is there already is upgraded."""
    missing = [namespace for namespace in site.namespaces if not belongs(shell, namespace)]
    for namespace in missing:
        shell.show("kubectl", "create", "namespace", namespace)
    if missing:
        shell.show("kubectl", "label", "namespace", *missing, RESTRICTED, MARK)
    images = references()
    has_crd = shell.exists(CRD) and not owns_crd(shell, site)
    if has_crd:
        shell.narrator.tell("The CustomResourceDefinition is on this cluster already, so the chart leaves it out.")
    values = {
        "watchNamespaces": f"{{{site.models}}}",
        **{f"image.{role}.tag": reference.rpartition(":")[2] for role, reference in images.items()},
        **({"crds.install": "false"} if has_crd else {}),
    }
    settings = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    verb = "upgrade" if is_installed(shell, site) else "install"
    command = ("helm", verb, site.release, CHART, "-n", site.system, *settings)
    shell.narrator.command((*command, "--wait"))
    shell.ask(*command, "--wait", "--timeout", HELM_SECONDS)


def remove(shell: Shell, site: Site) -> None:
    """Whatever there is of this demo, quietly: models, release, namespaces, and the CRD where this release brought it.

    The models go first, so that nothing waits for an operator that is gone (nothing would: there are no finalizers).
    """
    ours = [namespace for namespace in site.namespaces if belongs(shell, namespace)]
    if site.models in ours and shell.exists(CRD):
        shell.ask("kubectl", "delete", "mdep", "--all", "-n", site.models, "--wait=true")
    if site.system in ours:
        shell.ask("helm", "uninstall", site.release, "-n", site.system, "--ignore-not-found", "--wait")
    if ours:
        shell.ask("kubectl", "delete", "namespace", *ours, "--wait=true")
    if may_remove_crd(shell, site):
        shell.ask("kubectl", "delete", CRD)


def owns_crd(shell: Shell, site: Site) -> bool:
    """Whether this release brought the CRD; `helm uninstall` keeps it."""
    return shell.ask("kubectl", "get", CRD, "--ignore-not-found", "-o", RELEASE_OF).strip() == site.system


def may_remove_crd(shell: Shell, site: Site) -> bool:
    """Whether the CRD is ours and nobody else has come to use it: no model, and no operator, in any namespace."""
    return (
        owns_crd(shell, site)
        and not shell.exists("mdep", "-A")
        and not shell.exists("deployments", "-A", "-l", OPERATORS)
    )


def is_installed(shell: Shell, site: Site) -> bool:
    """Whether Helm knows the release."""
    releases = json.loads(shell.ask("helm", "list", "-n", site.system, "-o", "json"))
    return any(one["name"] == site.release for one in releases)


def server_version(answer: str) -> str:
    """`v1.36.3`, from the JSON of `kubectl version`."""
    return str(json.loads(answer)["serverVersion"]["gitVersion"])


def belongs(shell: Shell, namespace: str) -> bool:
    """Whether the namespace exists and is the demo's. DemoError when it is somebody else's."""
    if not shell.exists("namespace", namespace):
        return False
    if f"namespace/{namespace}" not in shell.ask("kubectl", "get", "namespace", "-l", MARK, "-o", "name").split():
        raise DemoError(f"namespace {namespace} exists and is not the demo's; choose other names with --prefix")
    return True
