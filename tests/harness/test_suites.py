"""Suites as runs: their parts, what a user may change, their plan, their folder; no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fusiondrive.errors import ConfigError, WeightsError
from harness.arms import arms_of
from harness.checks import check_settings
from harness.config import RunConfig
from harness.dry_run import plan_table
from harness.estimate import Times, estimate, past_times
from harness.messages import TownFacts
from harness.models import ModelFacts, Part, check_arms_there
from harness.outline import outline
from harness.planning import plan_town
from harness.route_facts import RouteFacts
from harness.run import main, show_plan
from harness.suite_folder import MARK, check_folder_of, mark_folder
from harness.suites import config_flags, load_parts
from results.frame import load_frame, to_rows
from results.store import RowStore
from scenarios.suite import suite, suite_names
from tests.snippets import snippets

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results/published/fog_controls.parquet"
TWO = """
town: Town02
routes: 2
blocks:
  - {weather: fog, arms: [rgb, max], thermal: [fog_ratio=0.1, fog_ratio=1]}
  - {weather: clear, policy: [cilrs, expert], hazards: [none, "HardBreakRoute,ParkedObstacle"]}
"""
FACTS = TownFacts(
    *("Town02", "authored:x", "embedded", 1, "0.9.16"),
    tuple(RouteFacts(f"{i:02d}", f"digest{i}", 300.0) for i in range(2)),
)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """The path of a suite of a user's own."""
    path = tmp_path / "mine.yaml"
    path.write_text(TWO, encoding="utf-8")
    return str(path)


def names(configs: tuple[RunConfig, ...]) -> list[list[str]]:
    return [[arm.name for arm in arms_of(config)] for config in configs]


def test_a_block_has_a_part_for_each_combination_of_its_levels(mine: str) -> None:
    parts = load_parts(None, {"suite": mine})
    assert [(p.thermal, p.policy, p.hazards) for p in parts] == [
        ("fog_ratio=0.1", "cilrs", "none"),
        ("fog_ratio=1", "cilrs", "none"),
        ("fog_ratio=0.5", "cilrs", "none"),
        ("fog_ratio=0.5", "cilrs", "HardBreakRoute,ParkedObstacle"),
        ("fog_ratio=0.5", "expert", "none"),
        ("fog_ratio=0.5", "expert", "HardBreakRoute,ParkedObstacle"),
    ]
    assert {part.directory for part in parts} == {Path("runs/mine")}


def test_what_two_parts_have_in_common_is_driven_once(mine: str) -> None:
    parts = [
        Part(config, ModelFacts("beef"), number)
        for number, config in enumerate(load_parts(None, {"suite": mine})[:2])
    ]
    episodes = plan_town(parts, dict.fromkeys((0, 1), FACTS))
    assert [(e.spec.arm, e.identity.thermal, e.part) for e in episodes[:2]] == [
        ("rgb", "", 0), ("max", "fog_ratio=0.1", 0),
    ]  # fmt: skip
    assert len({e.name for e in episodes}) == len(episodes) == 2 * 3
    assert sum(len(line.drives) for line in outline([part.config for part in parts])) == 2 * 3


def test_parts_of_a_suite_keep_the_identities_of_plain_runs(mine: str) -> None:
    (config,) = load_parts(None, {"town": ["Town02"], "weather": ["fog"], "routes": 2})
    plain = plan_town([Part(config, ModelFacts("beef"))], {0: FACTS})
    of_suite = plan_town(
        [Part(load_parts(None, {"suite": mine})[0], ModelFacts("beef"))], {0: FACTS}
    )
    assert {e.digest for e in plain} < {e.digest for e in of_suite}


def test_a_users_arms_are_chosen_of_the_suites_and_others_driven_everywhere(mine: str) -> None:
    assert names(load_parts(None, {"suite": mine, "arms": ["max"]}))[:2] == [["max"], ["max"]]
    assert names(load_parts(None, {"suite": "appendix_b", "arms": ["rgb", "dehaze"]})) == [
        ["rgb", "dehaze"]
    ]
    assert names(load_parts(None, {"suite": "quick", "arms": ["dehaze", "average"]})) == [
        ["dehaze", "average"]
    ]


def test_defaults_of_a_suite_may_be_changed_and_its_factors_not(mine: str) -> None:
    (config,) = load_parts(None, {"suite": "appendix_b", "traffic": "empty"})
    assert (config.town, config.input) == (("Town02", "Town03"), ("rgb", "fused"))
    assert config.traffic == "empty"
    with pytest.raises(ConfigError, match="'appendix_b' sets weather itself; leave weather out"):
        load_parts(None, {"suite": "appendix_b", "weather": "fog"})
    with pytest.raises(ConfigError, match="'mine' sets policy, routes itself"):
        load_parts(None, {"suite": mine, "policy": "expert", "routes": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wether: fog", "unknown key of suite 'mine' 'wether'; known: .*weather"),
        ("out: x", "unknown key of suite 'mine' 'out'"),
        ("defaults: {wrkers: 2}", "unknown default of suite 'mine' 'wrkers'; known: .*workers"),
        ("routes: many", r"config key 'routes' \(in suite 'mine'\).*found 'many'"),
        ("policy: [cilrs, 3]\ntown: Town99", "unknown town 'Town99'"),
    ],
)
def test_a_wrong_key_of_a_suite_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        show_plan(load_parts(None, {"suite": str(path)}))


def test_the_example_of_the_page_is_a_suite(tmp_path: Path) -> None:
    (block,) = [
        item
        for item in snippets()
        if item.place.startswith("suites.md:") and item.language == "yaml"
    ]
    (tmp_path / "mine.yaml").write_text(block.text, encoding="utf-8")
    parts = load_parts(None, {"suite": str(tmp_path / "mine.yaml")})
    assert len(parts) == 2 * 2 + 2
    assert {part.workers for part in parts} == {2}
    for part in parts:
        check_settings(part)


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_that_ships_is_in_the_help_and_on_its_page(name: str) -> None:
    helped = next(flag.help for key, flag in config_flags() if key == "suite")
    assert name in helped
    assert f"| `{name}` |" in (ROOT / "docs/suites.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_that_ships_has_a_plan(name: str) -> None:
    configs = load_parts(None, {"suite": name})
    for config in configs:
        check_settings(config)
    assert len(plan_table(configs).body) >= 1


def test_dry_run_counts_what_is_there_and_says_where_its_times_are_from(tmp_path: Path) -> None:
    flags = {"suite": "quick", "out": tmp_path / "fog", "routes": 25}
    notes = " ".join(plan_table(load_parts(None, flags)).notes)
    assert "125 drives, 0 of them" in notes
    assert "published rows" in notes
    with RowStore(tmp_path / "fog") as store:
        for row in to_rows(load_frame(PUBLISHED)):
            store.append(row)
    notes = " ".join(plan_table(load_parts(None, flags)).notes)
    assert "125 drives, 50 of them" in notes  # rgb and dehaze; fused rows have no thermal settings
    assert "75 drives by this run" in notes
    assert "by runs beside it" in " ".join(
        plan_table(load_parts(None, {**flags, "out": tmp_path / "other"})).notes
    )


def test_dry_run_does_not_take_rows_of_other_criteria_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "class Mine:\n    name = 'mine'\n\n    def update(self, step):\n        return []\n"
    (tmp_path / "of_mine.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    flags = {"suite": "quick", "out": tmp_path / "fog", "arms": ["rgb"], "routes": 3}
    with_mine = {**flags, "criteria": ["of_mine:Mine"]}
    rows = [row for row in to_rows(load_frame(PUBLISHED)) if row.arm == "rgb"]
    with RowStore(tmp_path / "fog") as store:
        for row in rows:
            store.append(row)
    assert "3 drives, 3 of them" in " ".join(plan_table(load_parts(None, flags)).notes)
    assert "3 drives, 0 of them" in " ".join(plan_table(load_parts(None, with_mine)).notes)


def test_the_estimate_is_the_mean_of_drives_that_are_alike() -> None:
    rows = to_rows(load_frame(PUBLISHED))
    configs = load_parts(None, {"suite": "quick", "arms": ["rgb"], "routes": 4})
    drives = [drive for line in outline(configs) for drive in line.drives]
    seconds = [row.wall_seconds or 0.0 for row in rows if row.arm == "rgb"]
    found = estimate(drives, [Times(tuple(rows), "here")], workers=2)
    assert found.mean == pytest.approx(4 * sum(seconds) / len(seconds) / 60 / 2)
    assert found.low < found.mean
    assert (found.unlike, found.sources) == (0, {"here": 4})


def test_rows_that_are_alike_in_more_come_before_those_of_a_nearer_run() -> None:
    rows = to_rows(load_frame(PUBLISHED))
    near = Times(tuple(row for row in rows if row.arm == "oracle"), "near")
    far = Times(tuple(row for row in rows if row.arm == "rgb"), "far")
    configs = load_parts(None, {"suite": "quick", "arms": ["rgb", "oracle", "max"], "routes": 1})
    drives = [drive for line in outline(configs) for drive in line.drives]
    found = estimate(drives, [near, far], workers=1)
    assert (found.sources, found.unlike) == ({"near": 2, "far": 1}, 1)


def test_without_rows_of_ones_own_the_published_give_the_times(tmp_path: Path) -> None:
    (times,) = past_times(tmp_path / "runs" / "new")
    assert times.source.startswith("published rows")


def test_arms_without_weights_are_named_in_one_line_with_those_that_can_drive() -> None:
    with pytest.raises(WeightsError, match=r"suite 'hazards' has arms .*: restored, oracle_rgb \("):
        check_arms_there(load_parts(None, {"suite": "hazards"}))
    with pytest.raises(WeightsError, match=r"the others: --arms rgb dehaze clahe thermal distille"):
        check_arms_there(load_parts(None, {"suite": "hazards"}))
    check_arms_there(load_parts(None, {"suite": "hazards", "arms": ["rgb", "dehaze", "clahe"]}))


def test_a_folder_belongs_to_one_suite_and_version(tmp_path: Path, mine: str) -> None:
    chosen, folder = suite(mine), tmp_path / "run"
    check_folder_of(chosen, folder)
    mark_folder(chosen, folder)
    check_folder_of(chosen, folder)
    with pytest.raises(ConfigError, match="has rows of suite mine, and this is quick; they stay"):
        check_folder_of(suite("quick"), folder)
    Path(mine).write_text(TWO + "seed: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has rows of another version of suite 'mine'"):
        check_folder_of(suite(mine), folder)
    old = json.loads((folder / MARK).read_text()) | {"digest": suite(mine).digest}
    (folder / MARK).write_text(json.dumps(old | {"package_version": "0.0.1"}))
    with pytest.raises(ConfigError, match=r"has rows of package version 0\.0\.1"):
        check_folder_of(suite(mine), folder)
    (folder / MARK).write_text("{")
    with pytest.raises(ConfigError, match=r"suite\.json: .* found something unreadable"):
        check_folder_of(suite(mine), folder)


def test_a_dry_run_prints_the_plan_and_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["--suite", "quick", "--dry-run", "--out", str(out)]) == 0
    assert "45 drives" in capfd.readouterr().out
    assert not out.exists()
    assert main(["--suite", "stress", "--dry-run", "--out", str(out)]) == 2
    told = capfd.readouterr()
    assert "Plan of" in told.out
    assert told.err.count("\n") == 1
