"""The 75 routes of Town02 and Town03, and the 50 routes of the validation towns."""

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import carla
import numpy as np
import pytest

from fusiondrive.errors import ConfigError, MapError
from fusiondrive.provenance import text_hash
from fusiondrive.types import Command, Route
from harness.checks import check_towns
from harness.config import load_config
from harness.route_facts import route_digest
from scenarios.candidates import candidate_of
from scenarios.generate import Options, fresh_routes, run
from scenarios.more_routes import are_distinct, shared_way
from scenarios.route_files import load_routes, map_identity, read_route_xml
from scenarios.routes import RoutePlanner
from scenarios.suite import ROUTE_SETS
from simulator.maps import load_town
from tests.conftest import ROOT, shared_path

FIRST = 25
# Hash of the digests of routes 00 to 24, as they were before there were more.
FIRST_HASHES = {
    ("Town02", "authored"): "b72c67a4f039",
    ("Town03", "authored"): "ff6e90ebf418",
    ("Town02", "carla"): "54efbba860d1",
    ("Town03", "carla"): "29c501cde32e",
}
VALIDATION = ROUTE_SETS["validation"]


def xodr(town: str, origin: str) -> str:
    if origin == "authored":
        return load_town(town).xodr
    return shared_path("maps", f"{town}.xodr").read_text()


@pytest.fixture(scope="module", params=FIRST_HASHES, ids="-".join)
def routes(request: pytest.FixtureRequest) -> list[Route]:
    """The planned routes of a town."""
    town, origin = request.param
    carla_map = carla.Map(town, xodr(town, origin))
    planner = RoutePlanner(carla_map)
    specs = load_routes(town, map_identity(carla_map))
    return [planner.plan(spec.keypoints, spec.route_id) for spec in specs]


def turn_shares(routes: list[Route]) -> np.ndarray:
    turns: Counter[int] = Counter()
    for route in routes:
        changes = np.flatnonzero(np.diff(route.commands, prepend=Command.FOLLOW))
        turns.update(route.commands[changes].tolist())
    counts = np.array([turns[c] for c in (Command.LEFT, Command.RIGHT, Command.STRAIGHT)])
    return counts / counts.sum()


@pytest.mark.parametrize(("town", "origin"), FIRST_HASHES)
def test_the_first_25_are_those_of_before(town: str, origin: str) -> None:
    specs = load_routes(town, origin)
    assert [spec.route_id for spec in specs] == [f"{number:02d}" for number in range(75)]
    digests = " ".join(route_digest(spec) for spec in specs[:FIRST])
    assert text_hash(digests) == FIRST_HASHES[town, origin]


def test_no_route_is_contained_in_another(routes: list[Route]) -> None:
    for first, second in combinations(routes, 2):
        assert max(shared_way(first, second), shared_way(second, first)) < 0.85
    for route in routes[FIRST:]:
        others = [other for other in routes if other is not route]
        assert all(are_distinct(route, other) for other in others)


def test_lengths_are_those_of_the_first(routes: list[Route]) -> None:
    first, added = ([r.length_m for r in part] for part in (routes[:FIRST], routes[FIRST:]))
    assert np.mean(added) == pytest.approx(np.mean(first), rel=0.1)
    thirds = np.searchsorted(np.quantile(first, (1 / 3, 2 / 3)), added)
    assert np.bincount(thirds).min() >= len(added) // 3


def test_turns_are_those_of_the_first(routes: list[Route]) -> None:
    assert turn_shares(routes[FIRST:]) == pytest.approx(turn_shares(routes[:FIRST]), abs=0.1)


@pytest.mark.slow
def test_the_command_makes_the_file_again_byte_for_byte(tmp_path: Path) -> None:
    town = tmp_path / "Town02.xodr"
    town.write_text(load_town("Town02").xodr)
    out = tmp_path / "routes.xml"
    said = run(Options(town="Town02", xodr=town, keep=FIRST, count=75, out=out))
    assert "75 routes on authored:" in said
    shipped = ROOT / "scenarios" / "data" / "routes_Town02_authored.xml"
    assert out.read_bytes() == shipped.read_bytes()
    assert len(read_route_xml(out)) == 75


@pytest.mark.parametrize(("keep", "count"), [(76, 80), (25, 25)])
def test_what_cannot_be_kept_is_said(keep: int, count: int, tmp_path: Path) -> None:
    town = tmp_path / "Town02.xodr"
    town.write_text(load_town("Town02").xodr)
    with pytest.raises(MapError, match=f"--keep {keep}: expected at most the .* routes that ship"):
        run(Options(town="Town02", xodr=town, keep=keep, count=count, out=tmp_path / "r.xml"))


def test_the_validation_set_is_asked_for_by_one_flag() -> None:
    config = load_config(None, {"route_set": "validation"})
    assert (len(config.town), config.routes) == (10, 5)
    assert config.directory.name == "validation_clear_rgb_cilrs"
    check_towns(config)
    assert load_config(None, {"route_set": "validation", "routes": 2}).routes == 2


@pytest.mark.parametrize("key", ["town", "route", "route_file"])
def test_a_set_of_routes_and_other_routes_exclude_each_other(key: str) -> None:
    with pytest.raises(ConfigError, match=f"route set 'validation' says .* leave {key} out"):
        load_config(None, {"route_set": "validation", key: "7"})
    with pytest.raises(ConfigError, match="unknown route set 'x'; known: validation"):
        load_config(None, {"route_set": "x"})


@pytest.mark.slow
def test_the_validation_routes_are_distinct_balanced_and_pinned() -> None:
    every: list[Route] = []
    digests: list[str] = []
    for town in VALIDATION.towns:
        carla_map = carla.Map(town, load_town(town).xodr)
        planner = RoutePlanner(carla_map)
        specs = fresh_routes(carla_map, town)[: VALIDATION.routes]
        plans = [planner.plan(spec.keypoints, spec.route_id) for spec in specs]
        assert all(are_distinct(a, b) for a, b in combinations(plans, 2))
        assert all(candidate_of(plan, spec).turns for plan, spec in zip(plans, specs, strict=True))
        every += plans
        digests += [route_digest(spec) for spec in specs]
    assert len(every) == len(set(digests)) == 50
    assert turn_shares(every) == pytest.approx(1 / 3, abs=0.1)
    assert text_hash(" ".join(digests)) == "370c673c2fc3"


def seeds_of_trainings() -> set[int]:
    """Seeds of random towns in recipes (also as ranges) and in the cards of weights."""
    seeds: set[int] = set()
    for path in (ROOT / "recipes").glob("*.*"):
        text = path.read_text()
        for first, last in re.findall(r"(?:towns|'random:%g') (\d+) (\d+)", text):
            seeds |= set(range(int(first), int(last) + 1))
        for numbers in re.findall(r"for i in ((?:\d+ ?)+); do .*random:\$i", text):
            seeds |= set(map(int, numbers.split()))
        seeds |= set(map(int, re.findall(r"random[:-](\d+)", text)))
    for folder in ("policies/weights", "fusionproxy/weights", "recipes/cilrs_pair"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".json", ".jsonl", ".md"):
                seeds |= set(map(int, re.findall(r"random[:-](\d+)", path.read_text())))
    return seeds


def test_no_training_has_seen_the_validation_towns() -> None:
    used = seeds_of_trainings()
    assert used >= {*range(1, 9), *range(11, 51), *range(61, 271), *range(401, 410)}
    assert not used & {int(town.removeprefix("random:")) for town in VALIDATION.towns}
