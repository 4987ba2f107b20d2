"""Places that models come from: the download server of the suite, and volumes. Both work on any cluster."""

import base64
import datetime
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.e2e.harness import fileserver
from tests.e2e.harness.api import Api
from tests.e2e.harness.kubectl import Kubectl, Manifest
from tests.e2e.harness.oip import python_pod
from tests.e2e.harness.waiting import PATIENCE, wait_for

START_SECONDS = round(60 * PATIENCE)


def certificate(host: str) -> tuple[bytes, bytes]:
    """A self-signed certificate for `host`, which is its own authority, and its key; PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e files")])
    now = datetime.datetime.now(tz=datetime.UTC)  # noqa: TID251  # a certificate needs the wall clock
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


@dataclass(frozen=True)
class FileServer:
    """The download server: where it is, and what its clients must trust."""

    api: Api
    namespace: str
    authority: str

    @classmethod
    def host(cls, namespace: str) -> str:
        return f"files.{namespace}.svc.cluster.local"

    @classmethod
    def start(cls, api: Api, kubectl: Kubectl, namespace: str, image: str) -> "FileServer":
        """Start it in `namespace` and wait until it answers."""
        crt, key = certificate(cls.host(namespace))
        code = {
            "fileserver.py": Path(fileserver.__file__).read_text(),
            "tls.crt": crt.decode(),
            "tls.key": key.decode(),
        }
        pod = python_pod("files", image, "/code/fileserver.py", "/code", config="files")
        pod["metadata"]["labels"] = {"app": "files"}
        pod["spec"]["containers"][0]["readinessProbe"] = {
            "httpGet": {"path": "/healthz", "port": fileserver.PUT_PORT},
            "periodSeconds": 1,
        }
        ports = [
            {"name": "http", "port": 80, "targetPort": fileserver.PUT_PORT},
            {"name": "https", "port": 443, "targetPort": fileserver.GET_PORT},
        ]
        service = {"selector": {"app": "files"}, "ports": ports}
        kubectl.to(namespace).apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}, "data": code},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "files"}, "spec": service},
            pod,
        )
        kubectl.to(namespace)("wait", "pod/files", "--for=condition=Ready", f"--timeout={START_SECONDS}s")
        return cls(api, namespace, crt.decode())

    def put(self, path: str, content: bytes | None) -> str:
        """Put a file there, or take it away; its https address."""
        service = self.api.get("services", self.namespace, "files")
        assert service
        method = "DELETE" if content is None else "PUT"
        request = urllib.request.Request(f"http://{service['spec']['clusterIP']}{path}", content, method=method)
        wait_for(lambda: _sent(request), seconds=START_SECONDS, what=f"{method} {path}")
        return f"https://{self.host(self.namespace)}{path}"

    def trust(self, name: str) -> Manifest:
        """The ConfigMap that `spec.runtime.caConfigMapRef` names."""
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"ca.crt": self.authority}}


def _sent(request: urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except OSError:
        return False


WRITE = "import base64, sys; open('/volume/' + sys.argv[1], 'wb').write(base64.b64decode(sys.stdin.read()))"


@dataclass(frozen=True)
class Volume:
    """A PersistentVolumeClaim, and a pod through which files are put onto it."""

    kubectl: Kubectl
    claim: str

    def make(self, image: str, folder: Path | None) -> None:
        """Make the claim. `folder` of the node becomes its volume; None: the cluster's default class provides one."""
        size = {"storage": "64Mi"}
        spec: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": size}}
        if folder:
            folder.mkdir(parents=True)
            folder.chmod(0o777)  # a host folder knows no fsGroup
            name = f"{self.kubectl.namespace}-{self.claim}"
            spec |= {"storageClassName": "", "volumeName": name}
            reference = {"namespace": self.kubectl.namespace, "name": self.claim}
            self.kubectl.apply(
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolume",
                    "metadata": {"name": name, "labels": {"serinus-e2e": "volume"}},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "capacity": size,
                        "claimRef": reference,
                        "hostPath": {"path": str(folder)},
                        "persistentVolumeReclaimPolicy": "Retain",
                    },
                }
            )
        pod = python_pod(f"{self.claim}-writer", image, "-c", "import threading; threading.Event().wait()")
        pod["spec"]["volumes"] = [{"name": "volume", "persistentVolumeClaim": {"claimName": self.claim}}]
        pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "volume", "mountPath": "/volume"}]
        meta = {"name": self.claim}
        self.kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}, pod)
        self.kubectl("wait", f"pod/{self.claim}-writer", "--for=condition=Ready", f"--timeout={START_SECONDS}s")

    def write(self, file: str, content: bytes) -> str:
        """Write a file onto the volume; its address for `spec.model.uri`."""
        pod = f"{self.claim}-writer"
        encoded = base64.b64encode(content).decode()
        self.kubectl("exec", "-i", pod, "--", "python3", "-c", WRITE, file, stdin=encoded)
        return f"pvc://{self.claim}/{file}"
