import json

import pytest

pytest.importorskip("diffusers")

import torch

from fusionproxy.teachers.registry import SHIPPED, TEACHERS, Sampling, open_teacher


@pytest.mark.parametrize("name", TEACHERS)
def test_a_name_alone_is_the_shipped_prior_and_it_fuses(name: str) -> None:
    teacher = open_teacher(name, {name: Sampling(steps=2)})
    infrared, visible = torch.rand((1, 1, 40, 56)), torch.rand((1, 3, 40, 56))
    samples = [teacher.sample(infrared, visible, torch.Generator().manual_seed(3)) for _ in "ab"]
    assert samples[0].shape == visible.shape
    assert torch.equal(samples[0], samples[1])
    assert samples[0].std() > 0.0


@pytest.mark.parametrize("name", TEACHERS)
def test_cards_say_what_the_priors_are(name: str) -> None:
    card = json.loads((SHIPPED / name / "card.json").read_text(encoding="utf-8"))
    assert "not the published weights" in card["label"]
    assert open_teacher(name).facts["card"] == card
