from __future__ import annotations

import pytest

from maskloom.pipelines.parameters import GateParameters
from maskloom.pipelines.steps.gate import GATES

EXPERT_AREAS = [0.0, 0.0, *[n / 100 for n in range(1, 21)]]


def scores(area: float = 0.1, uncertainty: float = 0.1) -> dict[str, float]:
    return {"area": area, "peak": 0.9, "uncertainty": uncertainty}


def test_none_keeps_everything() -> None:
    refusal = GATES["none"](GateParameters(), EXPERT_AREAS)
    assert refusal(scores(area=1.0, uncertainty=1.0)) is None


def test_confidence_refuses_what_the_network_doubts() -> None:
    refusal = GATES["confidence"](GateParameters(kind="confidence", uncertainty=0.3), EXPERT_AREAS)
    assert refusal(scores(uncertainty=0.3)) is None
    assert "0.310 is above 0.300" in str(refusal(scores(uncertainty=0.31)))


@pytest.mark.parametrize(
    ("area", "kept"), [(0.0, True), (0.005, False), (0.02, True), (0.19, True), (0.25, False)]
)
def test_area_compares_with_the_experts_and_lets_empty_masks_pass(area: float, kept: bool) -> None:
    refusal = GATES["area"](GateParameters(kind="area", quantile=0.05), EXPERT_AREAS)
    assert (refusal(scores(area=area)) is None) == kept


def test_area_keeps_everything_when_no_expert_drew_a_lesion() -> None:
    assert GATES["area"](GateParameters(kind="area"), [0.0, 0.0])(scores(area=0.9)) is None
