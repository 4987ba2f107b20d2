"""kube-apiserver, with an audit log in which tests count the requests of each user.

Every request of a person, an operator or a controller is one line (level Metadata: user, user agent, verb, resource,
response code), written before the answer is sent. Health checks and the reads of the node's own parts are left out.
"""

from pathlib import Path

import yaml
from dev.cluster.etcd import CLIENT
from dev.cluster.network import API_PORT, CLUSTER_DOMAIN, NODE_ADDRESS, SERVICE_RANGE
from dev.cluster.paths import Layout
from dev.cluster.process import Command

ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"
AUDIT_MEGABYTES = 64
AUDIT_FILES = 4
READS = ["get", "list", "watch"]
COMPONENTS = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kube-proxy",
    "serinus:dns",
]


def audit_policy() -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},
                {"level": "None", "users": COMPONENTS, "verbs": READS},
                {"level": "None", "userGroups": ["system:nodes"], "verbs": READS},
                {"level": "Metadata"},
            ],
        },
        sort_keys=False,
    )


def configure(layout: Layout) -> None:
    layout.audit_log.parent.mkdir(parents=True, exist_ok=True)
    policy_file(layout).write_text(audit_policy())


def policy_file(layout: Layout) -> Path:
    return layout.audit_log.parent / "policy.yaml"


def command(layout: Layout, binaries: Path) -> Command:
    pki = layout.pki
    return Command(
        "kube-apiserver",
        (
            str(binaries / "kube-apiserver"),
            f"--etcd-servers={CLIENT}",
            "--bind-address=0.0.0.0",
            f"--secure-port={API_PORT}",
            f"--advertise-address={NODE_ADDRESS}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--cert-dir={pki}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={pki / 'service-accounts.key'}",
            f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
            f"--audit-policy-file={policy_file(layout)}",
            f"--audit-log-path={layout.audit_log}",
            f"--audit-log-maxsize={AUDIT_MEGABYTES}",
            f"--audit-log-maxbackup={AUDIT_FILES}",
        ),
    )
