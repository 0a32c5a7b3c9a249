"""Names of records and folders that are made of users' words."""

import hashlib
from pathlib import Path

import pytest

from harness.config import RunConfig
from harness.file_names import safe_name
from harness.planning import PlannedEpisode, distinct
from harness.route_facts import RouteFacts
from results.identity import Identity
from scenarios.spec import EpisodeSpec

STRANGE = (
    "ParkedObstacle/1", "x/../../../outside/evil", "..", ".", "", " ", "a\\b", "C:x", "con",
    "NUL.txt", "COM1", "a" * 300, "ß" * 300, "tab\there", "zero\0byte", "~", "trailing.",
    "é", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("text", STRANGE)
def test_a_strange_text_becomes_one_short_plain_name(text: str) -> None:
    name = safe_name(text)
    assert len(name.encode()) <= 70
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\:*?"<>|\0\t ~')
    assert not name.endswith(".")


def test_names_are_distinct_and_plain_ones_stay() -> None:
    texts = [*STRANGE, "a/b", "a-b", "a:b", "e\u0301"]
    assert len({safe_name(text).casefold() for text in texts}) == len(texts)
    for plain in ("00", "ParkedObstacle_1", "1711", "a.b-c", "20+20", "Straße"):
        assert safe_name(plain) == plain


def episode(route_id: str, town: str = "Town02") -> PlannedEpisode:
    spec = EpisodeSpec(town, route_id, "clear", "rgb", "none", "expert", seed=0)
    identity = Identity(
        "0.1.0", "embedded", 1, "0.9.16", "authored:1", town, route_id, "d", "clear", "rgb",
        "none", "none", "expert", "none", "empty", "stop", 0,
    )  # fmt: skip
    return PlannedEpisode(
        spec, identity, identity.digest(), RouteFacts(route_id, "d", 50.0), "none"
    )


def test_records_stay_in_their_folder_whatever_an_id_says(tmp_path: Path) -> None:
    for text in STRANGE:
        path = tmp_path / f"{episode(text).name}.part.mp4"
        assert path.parent == tmp_path
        path.touch()


def test_ids_that_differ_by_letter_case_have_records_of_their_own() -> None:
    names = {e.name.casefold() for e in distinct([episode("Loop"), episode("loop"), episode("x")])}
    assert len(names) == 3


def test_a_plain_episode_is_named_as_ever() -> None:
    made = episode("00")
    assert made.name == f"Town02_r00_clear_empty_rgb_expert_s0_{made.digest[:6]}"
    assert episode("0", "random:7").name.startswith("random-7_r0_clear")


def test_an_identity_without_later_fields_is_the_one_of_old_rows() -> None:
    text = (
        '{"backend":"embedded","collision_mode":"stop","fuser":"none","fuser_weights":"none",'
        '"input":"rgb","look":1,"map":"authored:1","package_version":"0.1.0","policy":"expert",'
        '"policy_weights":"none","route_digest":"d","route_id":"00","seed":0,'
        '"simulator_version":"0.9.16","town":"Town02","traffic":"empty","weather":"clear"}'
    )
    assert episode("00").digest == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_default_folder_has_a_short_plain_name() -> None:
    towns = tuple(f"random:{seed}" for seed in range(100))
    assert len(RunConfig(town=towns).directory.name.encode()) < 220
    config = RunConfig(town=("/Game/Carla/Maps/Town02",), policy="cilrs")
    assert config.directory == Path("runs/Town02_clear_rgb_cilrs")
