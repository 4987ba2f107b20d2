"""What both tests of the codec need: limits, a signature, a request that is read."""

from hypothesis import settings
from hypothesis import strategies as st

from serinus_api.runtime import RuntimeLimits
from serinus_runtime.codec import Codec, InferRequest
from serinus_runtime.tensors import Signature, Tensor

LIMITS = RuntimeLimits()
QUICK = settings(max_examples=25, deadline=None)
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


def same(datatype: str, shape: tuple[int, ...] = (-1, 2), outputs: int = 1) -> Signature:
    """The signature of a model that gives back its input."""
    return Signature(
        (Tensor("x", datatype, shape),), tuple(Tensor(f"y{i}" if i else "y", datatype, shape) for i in range(outputs))
    )


def decode_request(body: bytes, header_length: int | None, signature: Signature, limits: RuntimeLimits) -> InferRequest:
    return Codec(signature, limits, "m", "v").decode(body, header_length)
