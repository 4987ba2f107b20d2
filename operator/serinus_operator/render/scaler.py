"""The object of an engine that writes the number of pods in the operator's stead: one per ModelDeployment.

It points to the Deployment of the revision that serves, and to the next one's once that is promoted. It never goes
below one pod: from one to none and back is the operator's part, and at none an autoscaler leaves a Deployment alone.
"""

from serinus_api.v1alpha1 import ScalingSpec
from serinus_operator.render.meta import labels
from serinus_operator.state import Manifest, Subject


def scaler(subject: Subject, stable: str) -> Manifest | None:
    """A HorizontalPodAutoscaler or a ScaledObject; None where the operator itself scales, or nobody does."""
    spec = subject.spec.scaling
    if spec is None or spec.engine == "Builtin":
        return None
    render = horizontal_pod_autoscaler if spec.engine == "HPA" else scaled_object
    return render(subject, spec, stable)


def horizontal_pod_autoscaler(subject: Subject, spec: ScalingSpec, stable: str) -> Manifest:
    """autoscaling/v2, by CPU. The stable window is Kubernetes' own stabilization of a fall."""
    down = max(spec.stable_window_seconds, spec.scale_down_delay_seconds)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": subject.name, "labels": labels(subject)},
        "spec": {
            "scaleTargetRef": _target(stable),
            "minReplicas": max(1, spec.min_replicas),
            "maxReplicas": spec.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": metric.target}},
                }
                for metric in spec.metrics
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": down}},
        },
    }


def scaled_object(subject: Subject, spec: ScalingSpec, stable: str) -> Manifest:
    """keda.sh/v1alpha1, by CPU."""
    down = max(spec.stable_window_seconds, spec.scale_down_delay_seconds)
    behavior = {"scaleDown": {"stabilizationWindowSeconds": down}}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": subject.name, "labels": labels(subject)},
        "spec": {
            "scaleTargetRef": _target(stable),
            "minReplicaCount": max(1, spec.min_replicas),
            "maxReplicaCount": spec.max_replicas,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
            "triggers": [
                {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(metric.target)}}
                for metric in spec.metrics
            ],
        },
    }


def _target(revision: str) -> Manifest:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision}
