"""Two real runtimes under the same requests, and what the operator makes of the outputs that they counted."""

import json
import random
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests import models
from tests.component.runtime.harness import INFER, REVISION, RuntimeProcess, ask, place

from serinus_api.runtime import METRIC_SKETCH
from serinus_api.v1alpha1 import RolloutPhase, RolloutSpec
from serinus_operator.decide.analysis import Outcome
from serinus_operator.decide.course import Course
from serinus_operator.decide.plan import plan_of
from serinus_operator.decide.readings import readings_of
from serinus_operator.decide.watch import begun, watched
from serinus_operator.decide.windows import Reading

CANDIDATE = "m-9f8e7d6c"
METRIC = {"name": "shift", "type": "PredictionShiftPermille", "max": 100}
PLAN = plan_of(RolloutSpec.model_validate({"analysis": {"metrics": [METRIC]}}))
COURSE = Course(REVISION, RolloutPhase.STEPPING, CANDIDATE, attempt=1, step_weight=50, weight=50)
REQUESTS = 200


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [pytest.param(2.0, Outcome.PASS, id="the same outputs"), pytest.param(9.0, Outcome.FAIL, id="larger ones")],
)
def test_outputs_that_have_shifted_are_found(tmp_path: Path, factor: float, outcome: Outcome) -> None:
    chances = random.Random(8)
    with ExitStack() as stack:
        pods = {}
        for revision, by in ((REVISION, 2.0), (CANDIDATE, factor)):
            config = place(tmp_path / revision, models.doubler(by), model_version=revision)
            pods[revision] = stack.enter_context(RuntimeProcess(config)).wait_until_ready()

        def readings() -> list[Reading]:
            pages = {revision: pod.ask_private("/metrics").body.decode() for revision, pod in pods.items()}
            return [reading for name, page in pages.items() for reading in readings_of(name, name, page)]

        watch = watched(begun(0.0, {}), COURSE, PLAN, readings(), 0.0)
        for pod in pods.values():
            connection = pod.connect()
            stack.callback(connection.close)
            for _ in range(REQUESTS):
                data = [chances.uniform(1.0, 5.0) for _ in range(4)]
                document = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": data}]}
                assert (
                    ask(connection, "POST", INFER, json.dumps(document).encode(), x_serinus_via="split").status == 200
                )
        watch = watched(watch, COURSE, PLAN, readings(), 10.0)
        (verdict,) = watch.verdicts
        assert (verdict.outcome, verdict.samples) == (outcome, REQUESTS)
        lines = [
            line for line in pods[REVISION].ask_private("/metrics").body.decode().splitlines() if METRIC_SKETCH in line
        ]
        assert 2 < len(lines) < 20
