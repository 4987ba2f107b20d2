"""Would a new revision's inputs and outputs break the clients of the stable one? Pure.

    what changes                                              clients of the stable revision
    ────────────────────────────────────────────────────────  ──────────────────────────────
    an input is gone or has another name                      break: what they send is refused
    an input is new (none of them has a default here)         break: they do not send it
    an input or output has another datatype                   break
    a dimension of an input was free or another, is fixed     break: what they send may not fit
    an input or output has another number of dimensions       break
    an output is gone or has another name                     break
    a dimension of an output was fixed, is fixed otherwise    break: they have counted on it
    an output is new                                          do not break
    a dimension becomes free                                  do not break
    a dimension of an output was free, is fixed               do not break

A shape of `()` may be an unknown one, so nothing is said of it. Where one of the signatures is not known, nothing is.
"""

from collections.abc import Iterator

from serinus_api.runtime import PreflightReport
from serinus_api.v1alpha1 import SignatureStatus, TensorStatus

ANY = -1


def signature_of(report: PreflightReport) -> SignatureStatus | None:
    """What a preflight pod has told of a model; None where that was not all of it."""
    if report.signature_cut or not report.outputs:
        return None
    inputs, outputs = (
        tuple(TensorStatus(name=t.name, datatype=t.datatype, shape=t.shape) for t in tensors)
        for tensors in (report.inputs, report.outputs)
    )
    return SignatureStatus(inputs=inputs, outputs=outputs)


def breaking_changes(stable: SignatureStatus | None, new: SignatureStatus | None) -> tuple[str, ...]:
    """What breaks the clients of the stable revision, a few words for each change; empty: nothing does."""
    if stable is None or new is None:
        return ()
    return (*_inputs(stable.inputs, new.inputs), *_outputs(stable.outputs, new.outputs))


def _inputs(before: tuple[TensorStatus, ...], now: tuple[TensorStatus, ...]) -> Iterator[str]:
    known = {tensor.name: tensor for tensor in now}
    for old in before:
        if old.name not in known:
            yield f"input {old.name!r} is gone"
        else:
            yield from _changed("input", old, known[old.name])
    names = {tensor.name for tensor in before}
    yield from (f"input {tensor.name!r} is new and must be given" for tensor in now if tensor.name not in names)


def _outputs(before: tuple[TensorStatus, ...], now: tuple[TensorStatus, ...]) -> Iterator[str]:
    known = {tensor.name: tensor for tensor in now}
    for old in before:
        if old.name not in known:
            yield f"output {old.name!r} is gone"
        else:
            yield from _changed("output", old, known[old.name])


def _changed(word: str, old: TensorStatus, new: TensorStatus) -> Iterator[str]:
    if old.datatype != new.datatype:
        yield f"{word} {old.name!r} was {old.datatype}, is {new.datatype}"
    if old.shape and new.shape and not _fits(old.shape, new.shape, output=word == "output"):
        yield f"{word} {old.name!r} had shape {list(old.shape)}, has {list(new.shape)} (-1: any size)"


def _fits(old: tuple[int, ...], new: tuple[int, ...], *, output: bool) -> bool:
    """Whether clients that know the old shape can go on."""
    if len(old) != len(new):
        return False
    return all(was == now or now == ANY or (output and was == ANY) for was, now in zip(old, new, strict=True))
