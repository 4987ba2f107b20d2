"""What scikit-learn itself says about the flowers, to compare the served model with; and the client that asks it.

The estimators are trained anew by `examples/iris/train.py`, which also wrote the manifests.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tritonclient.http as oip
from dev.demo.narration import DemoError, Narrator
from examples.iris import train
from numpy.typing import NDArray

TIMEOUT_SECONDS = 10.0
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Truth:
    """One estimator and the 50 flowers that it has not seen."""

    estimator: Any
    features: NDArray[np.float32]
    species: NDArray[np.str_]

    @property
    def labels(self) -> list[str]:
        """The estimator's answer for each flower."""
        return [str(label) for label in self.estimator.predict(self.features)]

    @property
    def right(self) -> int:
        """For how many flowers that answer is right."""
        return int((self.estimator.predict(self.features) == self.species).sum())

    @property
    def digest(self) -> str:
        """Of its ONNX file."""
        return train.digest(train.exported(self.estimator))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """One row for each flower, one column for each species."""
        answer: NDArray[np.float64] = self.estimator.predict_proba(self.features.astype(np.float64))
        return answer


def truths() -> tuple[Truth, Truth]:
    """Of the first model, and of the improved one."""
    features, species = train.flowers()[1]
    return Truth(train.first(), features, species), Truth(train.improved(), features, species)


def telling_flower(one: Truth, other: Truth) -> int:
    """The number of a flower about which two models differ, so that its answer tells which one gave it."""
    return next(n for n, (a, b) in enumerate(zip(one.labels, other.labels, strict=True)) if a != b)


@dataclass(frozen=True)
class Answers:
    """What the served model said about the 50 flowers."""

    labels: list[str]
    probabilities: NDArray[np.float64]
    version: str

    def distance(self, truth: Truth) -> float:
        """The largest difference of a probability from scikit-learn's."""
        return float(np.abs(self.probabilities - truth.probabilities).max())


def predict(address: str, features: NDArray[np.float32]) -> Answers:
    """Ask a model by the Open Inference Protocol, with the client that NVIDIA publishes for Triton."""
    client = oip.InferenceServerClient(address, connection_timeout=TIMEOUT_SECONDS, network_timeout=TIMEOUT_SECONDS)
    try:
        tensor = oip.InferInput(train.INPUT, list(features.shape), "FP32")
        tensor.set_data_from_numpy(features, binary_data=False)
        outputs = [oip.InferRequestedOutput(name, binary_data=False) for name in ("label", "probabilities")]
        result = client.infer("iris", [tensor], outputs=outputs)
    except oip.InferenceServerException as error:
        raise DemoError(f"the model did not answer: {error}") from error
    finally:
        client.close()
    labels = [label.decode() if isinstance(label, bytes) else str(label) for label in result.as_numpy("label")]
    return Answers(labels, result.as_numpy("probabilities"), str(result.get_response()["model_version"]))


def compare(narrator: Narrator, answers: Answers, truth: Truth, revision: str) -> None:
    """Check that `revision` has answered, and said of 50 flowers what scikit-learn says."""
    narrator.check(answers.version == revision, f"{revision} answers", answers.version)
    same = sum(a == b for a, b in zip(answers.labels, truth.labels, strict=True))
    distance = answers.distance(truth)
    narrator.check(
        same == len(truth.labels) and distance < TOLERANCE,
        f"it says of {same} flowers what scikit-learn says ({truth.right} are right), with the same probabilities "
        f"(less than {TOLERANCE:.0e} apart)",
        f"{same} the same, {distance:.1e} apart",
    )
