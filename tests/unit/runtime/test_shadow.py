"""Which requests are copied, and what becomes of them when there are too many: nothing here has a network."""

import pytest

from serinus_api.runtime import ModelSource, RuntimeConfig, ShadowOrder
from serinus_runtime.codec import EncodedAnswer
from serinus_runtime.errors import InvalidRequest
from serinus_runtime.shadow import PURSE_SECONDS, QUEUE, QUEUE_BYTES, SHARE, Purse, Shadow

ANSWER = EncodedAnswer(b"{}", None)
CANDIDATE = "iris-00000002"


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def shadow(*draws: float, network: str | None = None) -> Shadow:
    """Draws these numbers in turn, then 0: the request is chosen."""
    source = ModelSource(uri="pvc://c/model.onnx", path="model.onnx")
    config = RuntimeConfig(model_name="iris", model_version="iris-00000001", source=source, shadow_network=network)
    waiting = list(draws)
    return Shadow(config, Clock(), lambda: waiting.pop(0) if waiting else 0.0)


def order(revision: str = CANDIDATE, percent: int = 100) -> ShadowOrder:
    return ShadowOrder(revision=revision, percent=percent)


def dropped(one: Shadow) -> int:
    assert one.counts
    return one.counts.dropped


@pytest.mark.parametrize(
    "revision",
    [
        pytest.param("iris-00000001", id="itself"),
        pytest.param("other-00000002", id="of another model"),
        pytest.param("evil.example.com", id="a host"),
        pytest.param("169.254.169.254", id="an address"),
        pytest.param("", id="nothing"),
    ],
)
async def test_copies_go_to_revisions_of_the_same_model_alone(revision: str) -> None:
    one = shadow()
    with pytest.raises(InvalidRequest, match="no other revision"):
        one.obey(order(revision))
    assert not one.active


@pytest.mark.parametrize(
    ("network", "host", "reached"),
    [
        pytest.param(None, "127.0.0.1", False, id="no address at all, unless it is configured"),
        pytest.param("127.0.0.0/8", "127.1.2.3", True, id="within the network"),
        pytest.param("127.0.0.0/8", "169.254.169.254", False, id="outside of it"),
        pytest.param("127.0.0.0/8", "::1", False, id="of another family"),
        pytest.param("127.0.0.0/8", "localhost", False, id="a name"),
    ],
)
async def test_order_may_name_an_address_of_the_configured_network_alone(
    network: str | None, host: str, reached: bool
) -> None:
    one = shadow(network=network)
    told = order().model_copy(update={"host": host})
    if reached:
        one.obey(told)
    else:
        with pytest.raises(InvalidRequest, match="host"):
            one.obey(told)
    assert one.active is reached


async def test_full_queue_drops_and_counts() -> None:
    one = shadow()
    one.obey(order())
    for _ in range(QUEUE + 3):
        one.offer(b"{}", None, ANSWER)
    assert dropped(one) == 3


async def test_queue_is_bounded_in_bytes() -> None:
    one = shadow()
    one.obey(order())
    half = bytes(QUEUE_BYTES // 2)
    for _ in range(3):
        one.offer(half, None, ANSWER)
    assert dropped(one) == 2  # the answer needs room as well


async def test_only_the_percentage_is_chosen() -> None:
    one = shadow(0.05, 0.0999, 0.1, 0.5, 0.999)
    one.obey(order(percent=10))
    half = bytes(QUEUE_BYTES + 1)  # so that each that is chosen is counted at once
    for _ in range(5):
        one.offer(half, None, ANSWER)
    assert dropped(one) == 2


async def test_order_of_nothing_ends_the_copies_and_drops_what_waits() -> None:
    one = shadow()
    one.obey(order())
    one.offer(b"{}", None, ANSWER)
    one.obey(order(percent=0))
    assert not one.active
    assert dropped(one) == 1
    one.offer(b"{}", None, ANSWER)
    assert dropped(one) == 1


async def test_next_candidate_is_counted_anew_and_the_same_one_goes_on() -> None:
    one = shadow()
    one.obey(order())
    first = one.counts
    one.obey(order(percent=5))
    assert one.counts is first
    one.obey(order("iris-00000003"))
    assert one.counts is not first
    assert one.counts
    assert one.counts.candidate == "iris-00000003"


def test_purse_fills_with_the_share_of_time_and_holds_no_more() -> None:
    """Spent 0.06 of 0.05 held: 0.01 below nothing, which 0.5 % of the time makes up for in two seconds."""
    clock = Clock()
    purse = Purse(clock)
    assert not purse.empty
    purse.spend(PURSE_SECONDS + 0.01)
    assert purse.empty
    clock.now = 0.9 * 0.01 / SHARE
    assert purse.empty
    clock.now = 1.1 * 0.01 / SHARE
    assert not purse.empty
    clock.now = 1_000.0
    assert not purse.empty
    purse.spend(PURSE_SECONDS)
    assert purse.empty
