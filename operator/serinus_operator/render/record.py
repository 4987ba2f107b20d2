"""What makes a revision last: its ControllerRevision, and the immutable copy of a ConfigMap model.

Both are written once. The copy belongs to the record, so that it goes with it and the operator needs no right to delete
ConfigMaps.
"""

import base64

from serinus_operator.render.meta import labels
from serinus_operator.render.workload import pod_template
from serinus_operator.state import Copy, Manifest, RecordIntent, RenderOptions, RevisionRecord, Subject


def record_manifest(subject: Subject, intent: RecordIntent, options: RenderOptions) -> Manifest:
    """The ControllerRevision: identity, bytes, image, and the pod template as it will stay."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": intent.name, "labels": labels(subject, revision=intent.name)},
        "revision": intent.number,
        "data": {
            "specHash": intent.spec_hash,
            "digest": intent.digest,
            "uri": subject.spec.model.uri,
            "image": intent.image,
            "template": pod_template(subject, intent.name, intent.digest, intent.image, options),
        },
    }


def read_record(manifest: Manifest) -> RevisionRecord:
    """The record in a ControllerRevision that `record_manifest` made. KeyError for any other."""
    data = manifest["data"]
    return RevisionRecord(
        name=manifest["metadata"]["name"],
        uid=manifest["metadata"]["uid"],
        number=manifest["revision"],
        spec_hash=data["specHash"],
        digest=data["digest"],
        uri=data["uri"],
        image=data["image"],
        template=data["template"],
    )


def model_copy(subject: Subject, copy: Copy, record: RevisionRecord) -> Manifest:
    """An immutable ConfigMap with the model, owned by the revision's record."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": copy.revision,
            "labels": labels(subject, revision=copy.revision),
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ControllerRevision",
                    "name": record.name,
                    "uid": record.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "immutable": True,
        "binaryData": {copy.key: base64.b64encode(copy.data).decode()},
    }
