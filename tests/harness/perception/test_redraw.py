"""Poses are set up again as they were driven: pictures, road users, lamps, labels, answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pytest

from fusiondrive.types import CameraSpec, Control, Image, Observation, WorldState
from fusionproxy.quality.registry import choose
from harness.env_config import EnvConfig
from harness.perception.acting import ready_arms, ready_policies
from harness.perception.draw import labelled
from harness.perception.drawing import Artist, still_settings
from harness.perception.labels import label
from harness.perception.moment import MomentReader
from harness.perception.poses import FrozenPose
from harness.perception.rate_options import AskedMetrics
from harness.perception.recorder import WatchedExpert, record_drive
from harness.perception.sampling import Sampler
from harness.perception.unit import AskedPolicies, answers
from harness.rollout import Stopped, rollout
from harness.server import ServerSpec
from harness.session import Address, Session
from harness.simulation import Simulation
from perceivers.kinds import KIND_TAGS
from scenarios.spec import EpisodeSpec
from tests.conftest import CarlaServer

pytestmark = pytest.mark.heavy

TOWN = "Town02"
POSES = 14
PLAIN = still_settings("fog_ratio=0.5")


class Seeing(WatchedExpert):
    """Keeps what the camera saw at each pose as well."""

    def __init__(self, reader: MomentReader, sampler: Sampler) -> None:
        super().__init__(reader, sampler, lambda: None)
        self.pictures: list[Image] = []

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Drive on."""
        before = len(self.poses)
        control = super().act(observation, state)
        if len(self.poses) > before:
            self.pictures.append(observation.image)
        return control


class Driven(NamedTuple):
    """A drive that is over."""

    config: EnvConfig
    spec: EpisodeSpec
    poses: list[FrozenPose]
    pictures: list[Image]
    session: Session  # for drawing: that of the drive has ended with its Traffic Manager


@pytest.fixture(scope="module")
def driven(emptied: CarlaServer) -> Iterator[Driven]:
    host, port = emptied(TOWN)
    server = ServerSpec("external", host, port, TOWN)
    config = EnvConfig(server=server, town=TOWN, traffic="regular", hazards="all")
    with Simulation(config) as here:
        route = here.routes(TOWN)[0].route_id
        spec = EpisodeSpec(TOWN, route, "clear", "rgb", "none", "expert", seed=1,
                           traffic="regular", hazards="all")  # fmt: skip
        drive = here.begin(spec)
        sampler = Sampler(1, POSES)
        expert = Seeing(MomentReader(drive, 0), sampler)
        with suppress(Stopped):
            rollout(drive, expert, should_stop=lambda: sampler.is_full)
    with Session(Address(host, port)) as session:
        session.load(TOWN)
        yield Driven(config, spec, expert.poses, expert.pictures, session)


def test_a_clear_day_picture_is_what_the_drive_has_seen(driven: Driven) -> None:
    """But for the camera's noise, moving clouds, and the legs of people, who stand on a pose."""
    assert len(driven.poses) == POSES
    with Artist(driven.session, "clear", CameraSpec(), PLAIN, with_thermal=False) as artist:
        for pose, seen in zip(driven.poses, driven.pictures, strict=True):
            found = artist.draw(pose).frame.rgb
            off = np.abs(found.astype(np.int16) - seen).max(axis=2)
            assert off.mean() < 1.5, pose.key
            assert (off > 30).mean() < 0.02, pose.key


def test_a_picture_is_the_same_whatever_was_drawn_before(driven: Driven) -> None:
    first, *_, last = driven.poses
    found = []
    for before in ((), driven.poses[3:6]):
        with Artist(driven.session, "fog", CameraSpec(), PLAIN) as artist:
            for pose in before:
                artist.draw(pose)
            artist.draw(first)
            found.append(artist.draw(last))
    assert (found[0].frame.tags == found[1].frame.tags).all()  # type: ignore[union-attr]
    assert np.abs(found[0].thermal.astype(int) - found[1].thermal).max() <= 1
    assert np.abs(found[0].frame.rgb.astype(int) - found[1].frame.rgb).mean() < 1.5  # noise


def test_the_oncoming_car_stands_where_it_would_be(driven: Driven) -> None:
    pose = next(pose for pose in driven.poses if pose.oncoming is not None)
    means = {}
    for weather in ("night:headlights", "night:glare"):
        with Artist(driven.session, weather, CameraSpec(), PLAIN) as artist:
            picture = artist.draw(pose)
            means[weather] = float(picture.frame.rgb.mean())
            cars = [actor for actor in picture.actors if actor.type_id.startswith("vehicle.")]
            assert len(cars) == 1 + sum(item.kind != "person" for item in pose.actors) + (
                weather == "night:glare"
            )
    assert means["night:glare"] > means["night:headlights"]


def test_labels_hold_the_pixels_of_their_class(driven: Driven) -> None:
    with Artist(driven.session, "clear", CameraSpec(), PLAIN) as artist:
        pictures = [artist.draw(pose) for pose in driven.poses]
        frame = labelled(pictures[0], "clear", CameraSpec(), "fog_ratio=0.5")
    found = [(picture, user) for picture in pictures for user in label(picture)]
    assert {user.kind for _, user in found} >= {"car", "person"}
    for picture, user in found:
        rows = slice(int(user.top), int(user.bottom))
        columns = slice(int(user.left), int(user.right))
        assert picture.frame.tags is not None
        assert np.isin(picture.frame.tags[rows, columns], KIND_TAGS[user.kind]).any()
        assert 0.0 <= user.visible <= 1.0
        assert 0.0 < user.distance_m < 200.0
    assert (frame.rgb_image().shape, frame.tag_image().shape) == ((300, 400, 3), (300, 400))
    assert (frame.thermal_image() == pictures[0].thermal).all()


def test_answers_repeat_and_clear_day_answers_are_near_their_own(driven: Driven) -> None:
    asked = AskedPolicies(ready_arms(("rgb", "thermal"), None), PLAIN, ready_policies(("cilrs",)))
    poses = driven.poses[:4]
    first, again = (answers(driven.session, poses, "clear", asked) for _ in range(2))
    assert first == again
    assert [row["pose"] for row in first[::2]] == [pose.key for pose in poses]
    assert {row["arm"] for row in first} == {"rgb", "thermal"}


def test_metrics_of_an_arm_are_of_its_own_picture(driven: Driven) -> None:
    arms = ready_arms(("rgb", "average"), None)
    asked = AskedMetrics(arms, PLAIN, choose(("EN", "MI")))
    rows = answers(driven.session, driven.poses[:2], "fog", asked)
    assert [row["arm"] for row in rows] == ["rgb", "average"] * 2
    for plain, fused in zip(rows[::2], rows[1::2], strict=True):
        assert plain["pose"] == fused["pose"]
        assert plain["MI:nats"] > fused["MI:nats"]  # a copy of a source tells the most about it
        assert 0.0 < plain["EN:rounded"] < 8.0


def test_the_same_drive_gives_the_same_poses(driven: Driven) -> None:
    with Simulation(driven.config) as simulation:
        again = record_drive(simulation, driven.spec, 0, 6, lambda: None)
    assert again == driven.poses[:6]
