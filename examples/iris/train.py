"""Train two small classifiers of iris flowers, and write the example manifests that carry them as ONNX.

    python examples/iris/train.py            writes examples/iris.yaml and examples/iris/*.yaml
    python examples/iris/train.py --check    fails where a file is not what this script would write

The files are the same on each machine: the solvers run to convergence, and the weights are cut to four decimals, far
above the rounding in which two processors differ. `make demo` imports this module to ask scikit-learn for its answers.
"""

import argparse
import base64
import hashlib
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

EXAMPLES = Path(__file__).resolve().parents[1]
INPUT = "features"
OPSET = {"": 17, "ai.onnx.ml": 1}
HELD_OUT = 50
DECIMALS = 4
TOO_LARGE = (2, 1024, 1024, 256)
"""Numbers of 32 bits: 2 GiB."""
PETAL, LONGEST = 2, 4.5
"""Which measure the brittle model looks at, and the longest petal, in centimetres, that it can work on."""
GOLDEN = (((5.1, 3.5, 1.4, 0.2), "setosa"), ((5.5, 2.5, 3.9, 1.1), "versicolor"))
"""Two flowers that everybody agrees on."""
IN_STEPS = """\
  validation:
    golden: {configMapRef: {name: iris-golden}}
  rollout:
    strategy: Canary
    steps:
      - {weight: 25, pauseSeconds: 3}
      - {weight: 75, pauseSeconds: 3}
    analysis:
      minRequests: 50
      metrics: [{name: errors, type: ErrorRatePermille, max: 20}]
    bakeSeconds: 5
"""

Flowers = tuple[NDArray[np.float32], NDArray[np.str_]]
"""Four measures of each flower in centimetres, and its species."""


def flowers() -> tuple[Flowers, Flowers]:
    """The 150 flowers that scikit-learn brings along: 100 to learn from, 50 held out."""
    data = load_iris()
    features, species = data.data.astype(np.float32), data.target_names[data.target]
    split = train_test_split(features, species, test_size=HELD_OUT, stratify=species, random_state=0)
    return (split[0], split[2]), (split[1], split[3])


def first() -> ClassifierMixin:
    """A first try: logistic regression, a little too cautious."""
    return fitted(LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-10))


def improved() -> ClassifierMixin:
    """A better one with the same inputs and outputs: linear discriminant analysis."""
    return fitted(LinearDiscriminantAnalysis())


def fitted(classifier: ClassifierMixin) -> ClassifierMixin:
    features, species = flowers()[0]
    classifier.fit(features.astype(np.float64), species)
    classifier.coef_ = classifier.coef_.round(DECIMALS)
    classifier.intercept_ = classifier.intercept_.round(DECIMALS)
    return classifier


def exported(classifier: ClassifierMixin) -> bytes:
    """The classifier as ONNX: any number of flowers in, a species and three probabilities for each out."""
    model = to_onnx(
        classifier, initial_types=[(INPUT, FloatTensorType([None, 4]))], options={"zipmap": False}, target_opset=OPSET
    )
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in OPSET.items())
    model.producer_name, model.producer_version, model.graph.name = "serinus-examples", "", "iris"
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def too_large() -> bytes:
    """The measures times the sum of a constant, which a few bytes describe and which is unfolded at loading."""
    shape = numpy_helper.from_array(np.array(TOO_LARGE, dtype=np.int64), "shape")
    one = numpy_helper.from_array(np.array([1], dtype=np.float32), "one")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["constant"], value=one),
        helper.make_node("ReduceSum", ["constant"], ["sum"], keepdims=0),
        helper.make_node("Mul", [INPUT, "sum"], ["product"]),
    ]
    entry = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, 4])
    result = helper.make_tensor_value_info("product", TensorProto.FLOAT, [None, 4])
    graph = helper.make_graph(nodes, "too-large", [entry], [result], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET[""])], ir_version=8)
    return bytes(model.SerializeToString(deterministic=True))


def mixed_up() -> ClassifierMixin:
    """The improved one, but whoever numbered the species has exchanged two of them."""
    classifier = improved()
    classifier.classes_ = classifier.classes_[[0, 2, 1]]
    return classifier


def brittle(data: bytes) -> bytes:
    """A classifier that fails on flowers with long petals: a shape that fits the short ones alone."""
    model = onnx.load_from_string(data)
    constants: dict[str, NDArray[Any]] = {
        "petal": np.array(PETAL, dtype=np.int64),
        "longest": np.array([[LONGEST]], dtype=np.float32),
        "zero": np.zeros(1, dtype=np.float32),
        "one": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", [INPUT, "petal"], ["petals"], axis=1),
        helper.make_node("ReduceMax", ["petals"], ["maximum"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["maximum", "longest"], ["beyond"]),
        helper.make_node("Ceil", ["beyond"], ["whole"]),
        helper.make_node("Relu", ["whole"], ["more"]),
        helper.make_node("ReduceMax", ["more"], ["much"], axes=[0], keepdims=0),
        helper.make_node("Cast", ["much"], ["size"], to=TensorProto.INT64),
        helper.make_node("Add", ["one", "size"], ["shape"]),
        helper.make_node("Reshape", ["zero", "shape"], ["fitted"]),
        helper.make_node("Add", [INPUT, "fitted"], ["checked"]),
    ]
    for node in model.graph.node:
        node.input[:] = ["checked" if name == INPUT else name for name in node.input]
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def score(classifier: ClassifierMixin) -> str:
    features, species = flowers()[1]
    return f"{round(classifier.score(features, species) * HELD_OUT)} of {HELD_OUT} flowers that it has not seen"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config_map(name: str, data: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(data).decode(), 100)
    text = "\\\n    ".join(lines)
    return f'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\nbinaryData:\n  model.onnx: "{text}"\n'


def golden() -> str:
    """A ConfigMap with one golden request: the flowers that everybody agrees on, and their species."""
    data = [measure for flower, _ in GOLDEN for measure in flower]
    tensor = {"name": INPUT, "datatype": "FP32", "shape": [len(GOLDEN), 4], "data": data}
    expected = {"outputs": [{"name": "label", "data": [species for _, species in GOLDEN]}]}
    request = json.dumps({"request": {"inputs": [tensor]}, "expected": expected}, indent=2)
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: iris-golden\ndata:\n  two-flowers.json: |\n"
    return head + textwrap.indent(request, " " * 4) + "\n"


def model_deployment(source: str, pin: str | None = None, more: str = "") -> str:
    pinned = f"\n    digest: {pin}" if pin else ""
    return f"""\
apiVersion: serving.serinus.dev/v1alpha1
kind: ModelDeployment
metadata:
  name: iris
spec:
  replicas: 2
  model:
    uri: configmap://{source}/model.onnx{pinned}
  runtime:
    resources:
      requests: {{cpu: 100m, memory: 192Mi}}
      limits: {{memory: 512Mi}}
{more}"""


def manifest(words: str, source: str, data: bytes, pin: str | None = None) -> str:
    """One file: what it is, the ConfigMap with the model's bytes, the ModelDeployment that serves them."""
    comment = textwrap.indent(textwrap.dedent(words).strip(), "# ", lambda _: True).replace("# \n", "#\n")
    head = f"{comment}\n#\n# Written by examples/iris/train.py. The model has {len(data)} bytes.\n"
    return f"{head}{config_map(source, data)}---\n{model_deployment(source, pin)}"


def in_steps(words: str, source: str, data: bytes) -> str:
    """The same with golden requests, and a rollout in steps."""
    whole = manifest(words, source, data)
    head, _, _ = whole.partition("---\n")
    return f"{head}---\n{golden()}---\n{model_deployment(source, more=IN_STEPS)}"


def manifests() -> dict[Path, str]:
    """Every file that this script writes."""
    one, two = first(), improved()
    good, better = exported(one), exported(two)
    return {
        EXAMPLES / "iris.yaml": manifest(
            f"""
            A model, and the ModelDeployment that serves it.

              kubectl apply -f examples/iris.yaml
              kubectl wait --for=condition=Ready mdep/iris --timeout=120s

            The model tells the species of an iris flower from four measures of it: logistic regression, right for
            {score(one)}. Serinus takes a copy of the ConfigMap, tries the model once under
            the memory limit below, starts two pods, and has the Service `iris` lead to them when both answer.
            """,
            "iris-model",
            good,
        ),
        EXAMPLES / "iris" / "improved.yaml": manifest(
            f"""
            A better model for the ModelDeployment of examples/iris.yaml: the same inputs and outputs, right for
            {score(two)}. Apply it over the first one: its pods start beside the old ones, and take
            the traffic over when all of them answer.
            """,
            "iris-model-improved",
            better,
        ),
        EXAMPLES / "iris" / "broken.yaml": manifest(
            """
            A model that was cut off while it was copied. It is refused (LoadFailed, in ONNX Runtime's words), and what
            served before serves on.
            """,
            "iris-model-broken",
            better[: len(better) * 2 // 3],
        ),
        EXAMPLES / "iris" / "too-large.yaml": manifest(
            """
            A model of a few bytes that needs 2 GiB once it is loaded. It is refused in the preflight pod, under the
            memory limit that the serving pods would have (OutOfMemory), and what served before serves on.
            """,
            "iris-model-too-large",
            too_large(),
        ),
        EXAMPLES / "iris" / "wrong-digest.yaml": manifest(
            """
            The improved model under the digest of the first one. Bytes that are not those of the pin are refused
            (DigestMismatch, with both digests), and what served before serves on.
            """,
            "iris-model-improved",
            better,
            pin=digest(good),
        ),
        EXAMPLES / "iris" / "canary.yaml": in_steps(
            """
            The improved model in steps: it gets a quarter of the requests, then three quarters, then all, as long as it
            fails no more than 2 % of them. It must answer a golden request rightly before it gets any. On a cluster
            this needs the gateway (gateway.enabled: true).
            """,
            "iris-model-improved",
            better,
        ),
        EXAMPLES / "iris" / "mixed-up.yaml": in_steps(
            """
            The improved model with two species exchanged: it loads, and answers, wrongly. The golden request shows it,
            and no client meets it (GoldenMismatch).
            """,
            "iris-model-mixed-up",
            exported(mixed_up()),
        ),
        EXAMPLES / "iris" / "brittle.yaml": in_steps(
            f"""
            A model that is right about the golden request, and fails on petals longer than {LONGEST} cm. Only what
            clients ask shows it: it is taken back in its first step (AnalysisFailed).
            """,
            "iris-model-brittle",
            brittle(better),
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Train the iris models and write the manifests that carry them.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    check = parser.parse_args().check
    stale = {path: text for path, text in manifests().items() if not path.exists() or path.read_text() != text}
    outcome = "is out of date; run examples/iris/train.py" if check else "written"
    for path, text in stale.items():
        print(f"{path.relative_to(EXAMPLES.parent)} {outcome}")
        if not check:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
