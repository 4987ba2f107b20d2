"""The table of `decide/signature.py`: what breaks clients of the stable revision, and what does not."""

import pytest

from serinus_api.runtime import Phase, PreflightReport, TensorSignature
from serinus_api.v1alpha1 import SignatureStatus, TensorStatus
from serinus_operator.decide.signature import breaking_changes, signature_of


def tensor(name: str = "x", datatype: str = "FP32", shape: tuple[int, ...] = (-1, 4)) -> TensorStatus:
    return TensorStatus(name=name, datatype=datatype, shape=shape)


STABLE_IN, STABLE_OUT = (tensor(), tensor("z", "INT64", (-1,))), (tensor("y"), tensor("label", "INT64", (-1,)))
STABLE = SignatureStatus(inputs=STABLE_IN, outputs=STABLE_OUT)

BREAKING = [
    ("input gone", STABLE_IN[:1], STABLE_OUT, ("input 'z' is gone",)),
    ("input new", (*STABLE_IN, tensor("w")), STABLE_OUT, ("input 'w' is new and must be given",)),
    (
        "input renamed",
        (STABLE_IN[0], tensor("zz", "INT64", (-1,))),
        STABLE_OUT,
        ("input 'z' is gone", "input 'zz' is new and must be given"),
    ),
    ("input of another type", (tensor(datatype="FP64"), STABLE_IN[1]), STABLE_OUT, ("input 'x' was FP32, is FP64",)),
    (
        "input fixed",
        (tensor(shape=(1, 4)), STABLE_IN[1]),
        STABLE_OUT,
        ("input 'x' had shape [-1, 4], has [1, 4] (-1: any size)",),
    ),
    (
        "input of another size",
        (tensor(shape=(-1, 5)), STABLE_IN[1]),
        STABLE_OUT,
        ("input 'x' had shape [-1, 4], has [-1, 5] (-1: any size)",),
    ),
    (
        "input of another rank",
        (tensor(shape=(-1, 4, 1)), STABLE_IN[1]),
        STABLE_OUT,
        ("input 'x' had shape [-1, 4], has [-1, 4, 1] (-1: any size)",),
    ),
    ("output gone", STABLE_IN, STABLE_OUT[:1], ("output 'label' is gone",)),
    ("output of another type", STABLE_IN, (STABLE_OUT[0], tensor("label", "BYTES", (-1,))), ("output 'label' was",)),
    (
        "output of another size",
        STABLE_IN,
        (tensor("y", shape=(-1, 3)), STABLE_OUT[1]),
        ("output 'y' had shape [-1, 4], has [-1, 3] (-1: any size)",),
    ),
]


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"), [row[1:] for row in BREAKING], ids=[row[0] for row in BREAKING]
)
def test_change_that_breaks_is_told(
    inputs: tuple[TensorStatus, ...], outputs: tuple[TensorStatus, ...], words: tuple[str, ...]
) -> None:
    found = breaking_changes(STABLE, SignatureStatus(inputs=inputs, outputs=outputs))
    assert len(found) == len(words)
    assert all(said.startswith(expected) for said, expected in zip(found, words, strict=True))


HARMLESS = [
    ("nothing", STABLE_IN, STABLE_OUT),
    ("another order", STABLE_IN[::-1], STABLE_OUT[::-1]),
    ("output new", STABLE_IN, (*STABLE_OUT, tensor("more"))),
    ("input freed", (tensor(shape=(-1, -1)), STABLE_IN[1]), STABLE_OUT),
    ("output freed", STABLE_IN, (tensor("y", shape=(-1, -1)), STABLE_OUT[1])),
    ("output fixed", STABLE_IN, (tensor("y", shape=(1, 4)), STABLE_OUT[1])),
    ("shape not known", (tensor(shape=()), STABLE_IN[1]), STABLE_OUT),
]


@pytest.mark.parametrize(("inputs", "outputs"), [row[1:] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_change_that_breaks_nobody_is_none(inputs: tuple[TensorStatus, ...], outputs: tuple[TensorStatus, ...]) -> None:
    assert breaking_changes(STABLE, SignatureStatus(inputs=inputs, outputs=outputs)) == ()


def test_nothing_is_said_of_a_signature_that_is_not_known() -> None:
    assert breaking_changes(None, STABLE) == breaking_changes(STABLE, None) == ()


def test_signature_is_taken_from_a_report_that_tells_all_of_it() -> None:
    found = TensorSignature(name="y", datatype="FP32", shape=(-1,))
    report = PreflightReport(phase=Phase.DONE, inputs=(), outputs=(found,))
    assert signature_of(report) == SignatureStatus(outputs=(tensor("y", shape=(-1,)),))
    assert signature_of(report.model_copy(update={"signature_cut": True})) is None
    assert signature_of(report.model_copy(update={"outputs": ()})) is None
