"""Model URIs taken apart."""

import pytest

from serinus_operator.sources import Source, parse_source


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("configmap://iris/model.onnx", Source("configmap", "iris", "model.onnx")),
        ("pvc://claim/a/b.onnx", Source("pvc", "claim", "a/b.onnx")),
        ("https://models.example:8443/a.onnx?v=1", Source("https", "", "")),
        ("s3://bucket/a.onnx", None),
        ("models:/iris@prod", None),
        ("nonsense", None),
    ],
)
def test_uri(uri: str, source: Source | None) -> None:
    assert parse_source(uri) == source


def test_only_a_config_map_is_kept_by_the_operator() -> None:
    kept = [uri for uri in ("configmap://a/b", "pvc://a/b", "https://a/b") if parse_source(uri).pinned_by_copy]
    assert kept == ["configmap://a/b"]
