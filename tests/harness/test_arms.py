"""Episodes of arms: their order, identities, names of records, and the swapped route."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError
from harness import planning
from harness.arms import arms_of
from harness.checks import check_towns
from harness.config import RunConfig
from harness.env_config import EnvConfig, make_config, read_options
from harness.messages import TownFacts
from harness.models import ModelFacts
from harness.planning import PlannedEpisode
from harness.route_facts import RouteFacts
from results.frame import load_frame, to_rows
from results.identity import Identity
from sensors.arms import make_image_maker

PUBLISHED = Path(__file__).parents[2] / "results/published/fog_controls.parquet"
ROUTES = tuple(RouteFacts(f"{i:02d}", f"digest{i}", 200.0) for i in range(3))
ONE_ROUTE = """<routes><route id="0" town="Town02">
<waypoint x="177" y="-2" yaw="-180"/><waypoint x="120" y="-2" yaw="-180"/></route></routes>"""


def plan(*arms: str, routes: int = 3) -> list[PlannedEpisode]:
    config = RunConfig(town=("Town02",), weather=("fog",), arms=arms, routes=routes)
    makers = {arm.name: make_image_maker(arm).facts() for arm in arms_of(config)}
    facts = TownFacts("Town02", "authored:x", "embedded", 1, "0.9.16", ROUTES)
    return planning.plan(config, ModelFacts("beef", (), makers), facts)


def test_arms_are_innermost_and_have_their_own_weights() -> None:
    episodes = plan("rgb", "dehaze", "average:blanked", "clear", routes=2)
    assert [(e.spec.route_id, e.spec.arm) for e in episodes[:5]] == [
        ("00", "rgb"), ("00", "dehaze"), ("00", "average:blanked"), ("00", "clear"), ("01", "rgb"),
    ]  # fmt: skip
    rgb, dehaze, blanked, clear = (episode.identity for episode in episodes[:4])
    assert (rgb.input, rgb.fuser, rgb.fuser_weights) == ("rgb", "none", "none")
    assert (dehaze.input, dehaze.fuser) == ("enhanced", "dehaze")
    assert len(dehaze.fuser_weights) == 12
    assert (blanked.input, blanked.fuser) == ("fused", "average:blanked")
    assert (clear.input, clear.weather) == ("rgb", "clear")
    assert episodes[2].name.startswith("Town02_r00_fog_empty_average-blanked_cilrs_s0_")


def test_the_swapped_route_is_the_next_of_the_town_whatever_is_driven() -> None:
    alone, *_ = plan("max:swapped", routes=1)
    both = plan("max:swapped")
    assert alone.identity.infrared_route == "01 digest1"
    assert [episode.identity.infrared_route[:2] for episode in both] == ["01", "02", "00"]
    assert alone.digest == both[0].digest
    assert plan("max")[0].identity.infrared_route == ""


def test_a_ceiling_is_the_same_episode_as_rgb_on_a_clear_day() -> None:
    (ceiling,) = plan("clear", routes=1)
    config = RunConfig(town=("Town02",), weather=("clear",), routes=1)
    facts = TownFacts("Town02", "authored:x", "embedded", 1, "0.9.16", ROUTES)
    (plain,) = planning.plan(config, ModelFacts("beef"), facts)
    assert ceiling.digest == plain.digest


def test_identities_of_published_rows_have_not_changed() -> None:
    rows = to_rows(load_frame(PUBLISHED))
    names = Identity.__dataclass_fields__
    found = [Identity(**{name: getattr(row, name) for name in names}).digest() for row in rows]
    assert found == [row.identity for row in rows]
    arms = ("rgb", "dehaze", "clahe", "distilled", "oracle", "oracle:blanked", "oracle:swapped")
    assert Counter(row.arm for row in rows) == dict.fromkeys(arms, 25)


def test_parquet_from_before_there_were_arms_is_loaded_with_them(tmp_path: Path) -> None:
    frame = load_frame(PUBLISHED)
    frame.drop(columns=["arm", "infrared_route"]).to_parquet(tmp_path / "old.parquet")
    assert list(load_frame(tmp_path / "old.parquet")["arm"]) == list(frame["arm"])


def test_one_route_cannot_be_swapped_with_another(tmp_path: Path) -> None:
    file = tmp_path / "one.xml"
    file.write_text(ONE_ROUTE, encoding="utf-8")
    config = RunConfig(route_file=file, weather=("fog",), arms=("rgb", "max:swapped"))
    with pytest.raises(
        ConfigError, match=r"':swapped' takes .* another route, and '0' is the only"
    ):
        check_towns(config)


def test_an_environment_takes_an_arm_and_an_episode_another() -> None:
    config = make_config({"arm": "dehaze"}, {})
    assert (config.drives().input, config.drives().fuser) == ("enhanced", "dehaze")
    chosen = read_options({"arm": "oracle:blanked", "weather": "fog"}, config).config
    assert chosen is not None
    assert chosen.drives().fuser == "oracle:blanked"
    with pytest.raises(ConfigError, match="arm 'dehaze' names input and fuser itself"):
        EnvConfig(arm="dehaze", input="thermal")
    with pytest.raises(ConfigError, match="unknown arm 'dehase'"):
        EnvConfig(arm="dehase")


def test_weights_for_a_fuser_that_takes_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.touch()
    with pytest.raises(ConfigError, match="fuser 'max' takes no weights"):
        make_config(None, {"input": "fused", "fuser": "max", "fuser_weights": file})
