"""Weights that saw other pictures than the server draws are warned about, nothing else is."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from harness.models import ModelFacts, warn_of_look
from sensors.arms import ArmFacts
from sensors.fusion import StudentFuser


@pytest.mark.parametrize(
    ("looks", "server", "warnings"),
    [((1,), 2, 1), ((1, 2), 2, 0), ((), 2, 0), ((1,), None, 0)],
    ids=["another", "among them", "unknown", "no embedded server"],
)
def test_only_another_look_is_warned_about(caplog, looks, server, warnings):
    with caplog.at_level(logging.WARNING):
        warn_of_look(ModelFacts("beef", policy_looks=looks), server)
    assert len(caplog.records) == warnings


def test_each_arm_is_warned_about_by_its_name(caplog):
    arms = {"oracle": ArmFacts("f00d", "oracle", (1,)), "rgb": ArmFacts()}
    warn_of_look(ModelFacts("beef", arms=arms), 2)
    (record,) = caplog.records
    assert "the arm 'oracle' was trained on pictures of look 1" in record.getMessage()


def test_a_fuser_reads_its_looks_from_its_card(tmp_path: Path):
    shipped = Path(__file__).parents[2] / "fusionproxy/weights/student_oracle.onnx"
    weights = tmp_path / "student_mine.onnx"
    weights.write_bytes(shipped.read_bytes())
    assert StudentFuser(weights).looks == ()
    weights.with_suffix(".json").write_text(json.dumps({"looks": [3]}))
    assert StudentFuser(weights).looks == (3,)
