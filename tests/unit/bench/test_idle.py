"""A model's part is what a gateway with models needs more than one without."""

from bench.gateway.idle import Cost, lines


def test_each_models_part_is_the_difference_to_none() -> None:
    none = {"agent": Cost(40.0, 0.5), "Envoy": Cost(30.0, 0.25)}
    some = {"agent": Cost(44.0, 0.7), "Envoy": Cost(50.0, 0.75)}
    first, second = lines({0: none, 200: some})
    assert first.value == "agent 40 MiB, 0.50 s, Envoy 30 MiB, 0.25 s"
    assert second.what == "200 sleeping models: PSS, CPU per minute, more for each model"
    assert second.value == "agent 20 KiB, 1.0 ms, Envoy 102 KiB, 2.5 ms"
    assert second.raw["Envoy"] == {"mib": 50.0, "cpu_seconds": 0.75}
