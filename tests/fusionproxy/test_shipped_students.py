"""What ships is what its card says, and both of its files are the same student."""

import json

import numpy as np
import pytest

from fusionproxy import FusionProxy
from fusionproxy.formats import weights_hash
from fusionproxy.model import SHIPPED, shipped_names

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
THERMAL = RNG.integers(0, 256, (12, 16), np.uint8).repeat(8, 0).repeat(8, 1)


@pytest.mark.parametrize("name", shipped_names())
def test_a_card_names_the_files_that_ship(name: str) -> None:
    card = json.loads((SHIPPED / f"{name}.json").read_text(encoding="utf-8"))
    assert card["name"] == name
    assert "onnx" in card["files"]
    for file in card["files"].values():
        assert weights_hash(SHIPPED / file["file"]) == file["sha256_12"]
        assert file["sha256_12"] in (SHIPPED / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", shipped_names())
def test_tensors_and_onnx_are_the_same_student(name: str) -> None:
    graph = FusionProxy.from_pretrained(name).fuse(RGB, THERMAL)
    tensors = FusionProxy.from_pretrained(SHIPPED / f"{name}.safetensors").fuse(RGB, THERMAL)
    assert np.abs(graph.astype(int) - tensors).max() <= 1


def test_the_distilled_student_keeps_the_colour_of_the_visible_image() -> None:
    muted = 96 + RGB // 4  # far from black and white, where colour is cut off
    fused = FusionProxy.from_pretrained("student_distilled").fuse(muted, THERMAL).astype(int)
    inside = ((fused > 0) & (fused < 255)).all(-1)
    assert inside.mean() > 0.5
    for first, second in ((0, 1), (1, 2)):
        ours = fused[..., first] - fused[..., second]
        seen = muted[..., first].astype(int) - muted[..., second]
        assert np.abs(ours - seen)[inside].max() <= 1
