"""The simulated thermal camera on a hand-made street."""

from dataclasses import replace

import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import ActorKind, ActorState, Atmosphere, Pose
from sensors.config import ThermalConfig
from sensors.frame import RigFrame, focal_px
from sensors.thermal import ThermalCamera

HEIGHT, WIDTH, EYE_M = 150, 200, 1.5
HALF = (0.3, 0.3, 0.9)
ROAD, SIDEWALK, SKY, PEDESTRIAN, CAR = 1, 2, 11, 12, 14


def street(distance_m=15.0):
    """Flat road and sidewalk to the horizon, with a person at some distance ahead."""
    focal = focal_px(WIDTH, 100.0)
    down = (np.arange(HEIGHT)[:, None] + 0.5 - HEIGHT / 2) / focal
    right = np.broadcast_to((np.arange(WIDTH) + 0.5 - WIDTH / 2) / focal, (HEIGHT, WIDTH))
    depth = np.full((HEIGHT, WIDTH), 1000.0)
    np.divide(EYE_M, down, out=depth, where=(down > EYE_M / 900.0) & (right < 9.0))
    ground = np.where(np.abs(right * depth) < 4.0, ROAD, SIDEWALK)
    tags = np.where(depth < 900.0, ground, SKY)
    body = (np.abs(right * distance_m) < 0.3) & (np.abs(down * distance_m - 0.6) < 0.9)
    tags[body], depth[body] = PEDESTRIAN, distance_m
    images = (np.zeros((HEIGHT, WIDTH, 3), np.uint8), tags.astype(np.uint8))
    return RigFrame(1, 0.1, *images, depth.astype(np.float32), Pose(0.0, 0.0, EYE_M))


def person(actor_id=30, distance_m=15.0):
    at = Pose(distance_m, 0.0, 0.9)
    still = (0.0, 0.0, 0.0)
    return ActorState(
        actor_id, "walker.pedestrian.0001", ActorKind.PEDESTRIAN, at, still, still, HALF
    )


NIGHT = Atmosphere(is_night=True)
FOG = Atmosphere(fog_density=80.0)


def by_tag(image, frame, tag, beside=None):
    mask = frame.tags == tag
    if beside is not None:
        mask &= np.abs(frame.depth_m / beside - 1.0) < 0.2
    return float(image[mask].mean())


@pytest.mark.parametrize("actors", [[person()], []])
def test_a_person_is_brighter_than_the_road_at_night(actors):
    frame = street()
    image = ThermalCamera().render(frame, actors, NIGHT)
    assert image.dtype == np.uint8
    assert image.shape == (HEIGHT, WIDTH)
    assert by_tag(image, frame, PEDESTRIAN) > by_tag(image, frame, ROAD) + 30
    assert by_tag(image, frame, SKY) < by_tag(image, frame, SIDEWALK)


def test_fog_that_hides_a_person_from_the_eye_leaves_thermal_contrast():
    frame = street(40.0)
    image = ThermalCamera().render(frame, [person(distance_m=40.0)], Atmosphere(True, 80.0))
    visible_contrast = np.exp(-0.061 * 40.0)  # extinction of the visible in that fog, per metre
    road = by_tag(image, frame, ROAD, beside=40.0)
    assert visible_contrast < 0.1
    assert by_tag(image, frame, PEDESTRIAN) > road + 15


def test_fog_dims_distant_people():
    frame, camera = street(40.0), ThermalCamera()
    contrast = {}
    for fog in (0.0, 80.0):
        radiance = camera.radiance(frame, [], Atmosphere(True, fog))
        contrast[fog] = by_tag(radiance, frame, PEDESTRIAN) - by_tag(radiance, frame, ROAD, 40.0)
    assert 0.3 < contrast[80.0] / contrast[0.0] < 0.9


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    frame = street()
    first, second, third = (
        [camera.render(frame, [person()], FOG).tobytes() for _ in range(3)]
        for camera in (ThermalCamera(seed=4), ThermalCamera(seed=4), ThermalCamera(seed=5))
    )
    assert first == second
    assert first != third
    assert first[1] != first[2]  # temporal noise


def test_image_does_not_depend_on_frame_and_actor_ids():
    frame = street()
    cars = [person(1), person(2, 20.0)]
    renamed = [person(901), person(955, 20.0)]
    one = ThermalCamera(seed=1).render(frame, cars, NIGHT)
    two = ThermalCamera(seed=1).render(replace(frame, frame=777), renamed, NIGHT)
    assert np.array_equal(one, two)


def test_reset_starts_the_same_episode_again():
    camera, frame = ThermalCamera(seed=2), street()
    first = [camera.render(frame, [person()], NIGHT).tobytes() for _ in range(2)]
    camera.reset()
    assert [camera.render(frame, [person()], NIGHT).tobytes() for _ in range(2)] == first


def test_bonnet_and_tyres_of_a_car_are_warmer_than_its_doors():
    frame = street()
    tags = np.full_like(frame.tags, CAR)
    depth = np.full_like(frame.depth_m, 5.0)
    side = replace(frame, tags=tags, depth_m=depth)  # a wall of car pixels, 5 m ahead
    pose, half = Pose(6.0, 0.0, 0.0, yaw=90.0), (2.4, 1.0, 0.75)
    moving = (0.0, 8.0, 0.0)
    car = ActorState(3, "vehicle.x", ActorKind.VEHICLE, pose, moving, (0.0, 0.0, 0.75), half)
    radiance = ThermalCamera().radiance(side, [car], NIGHT)
    focal = focal_px(WIDTH, 100.0)

    def at(y, z):
        row = int((EYE_M - z) / 5.0 * focal + HEIGHT / 2)
        return radiance[row, int(y / 5.0 * focal + WIDTH / 2)]

    assert at(1.7, 0.9) > at(0.0, 0.6) + 2.0  # bonnet
    assert at(1.5, 0.3) > at(0.0, 0.6) + 2.0  # front tyre


def test_noise_of_a_uniform_scene_is_the_netd():
    config = ThermalConfig(blur_sigma_px=0.0)
    camera = ThermalCamera(config)
    images = [camera.render(street(), [], NIGHT).astype(float) for _ in range(12)]
    steps = np.diff(np.stack(images)[-8:], axis=0)
    assert 0.0 < steps.std() < 2.0 * config.netd_c * config.gain_per_c * 2**0.5


def test_a_rig_without_class_ids_is_an_error():
    with pytest.raises(ConfigError, match="with_thermal=True"):
        ThermalCamera().render(replace(street(), tags=None), [], NIGHT)
