"""The simulated thermal camera on a hand-made street."""

from dataclasses import replace

import numpy as np
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import ActorKind, ActorState, Atmosphere, Pose
from sensors.config import NIGHT_SURFACES, Surface, ThermalConfig
from sensors.frame import RigFrame, focal_px
from sensors.thermal import ThermalCamera

HEIGHT, WIDTH, EYE_M = 150, 200, 1.5
HALF = (0.3, 0.3, 0.9)
ROAD, SIDEWALK, BUILDING, SKY, PEDESTRIAN, CAR, LINE = 1, 2, 3, 11, 12, 14, 24


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
FOG = Atmosphere(fog_extinction_per_m=0.06)
VISIBLE_PER_M = 0.06  # extinction of a fog in which one sees 50 m


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
    air = Atmosphere(True, fog_extinction_per_m=VISIBLE_PER_M)
    image = ThermalCamera().render(frame, [person(distance_m=40.0)], air)
    visible_contrast = np.exp(-VISIBLE_PER_M * 40.0)
    road = by_tag(image, frame, ROAD, beside=40.0)
    assert visible_contrast < 0.1
    assert by_tag(image, frame, PEDESTRIAN) > road + 8


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
def test_fog_dims_people_by_its_ratio_of_the_visible_extinction(ratio):
    # At 17 degrees radiance and temperature are the same number.
    config = ThermalConfig(fog_ratio=ratio, night_air_c=17.0)
    excess = {}
    for distance_m in (20.0, 40.0):
        camera, frame = ThermalCamera(config), street(distance_m)
        air = Atmosphere(True, fog_extinction_per_m=VISIBLE_PER_M)
        radiance = camera.radiance(frame, [], air)
        excess[distance_m] = by_tag(radiance, frame, PEDESTRIAN) - config.night_air_c
    through = excess[40.0] / excess[20.0]
    per_m = ratio * VISIBLE_PER_M + config.clear_extinction_per_m
    assert through == pytest.approx(np.exp(-20.0 * per_m), rel=0.03)


def paint_and_road(atmosphere):
    """Radiance of a road line and of the asphalt beside it, 8 to 12 m ahead, without patches."""
    frame = street(80.0)
    near = (frame.tags == ROAD) & (np.abs(frame.depth_m - 10.0) < 2.0)
    config = ThermalConfig()
    day, night = (
        {tag: surface._replace(spread_c=0.0) for tag, surface in table.items()}
        for table in (config.day, config.night)
    )
    camera = ThermalCamera(replace(config, day=day, night=night))
    painted = replace(frame, tags=np.where(near, LINE, frame.tags).astype(np.uint8))
    line = camera.radiance(painted, [], atmosphere)[near].mean()
    return float(line - camera.radiance(frame, [], atmosphere)[near].mean())


@pytest.mark.parametrize(
    ("atmosphere", "least", "most"),
    [
        (Atmosphere(cloudiness=10.0), -13.0, -8.0),  # sun
        (Atmosphere(cloudiness=100.0), -2.6, -1.4),  # overcast
        (Atmosphere(True, cloudiness=20.0, fog_extinction_per_m=0.05), -0.05, 0.0),  # the NETD
    ],
    ids=["sun", "overcast", "night fog"],
)
def test_paint_is_darker_than_asphalt_by_day_and_lost_in_night_fog(atmosphere, least, most):
    assert least < paint_and_road(atmosphere) < most


def test_a_wall_emits_less_the_flatter_one_looks_at_it():
    frame = street()
    focal = focal_px(WIDTH, 100.0)
    right = np.broadcast_to((np.arange(WIDTH) + 0.5 - WIDTH / 2) / focal, (HEIGHT, WIDTH))
    # A house front 3 m to the right that runs along the view.
    depth = np.where(right > 0.15, 3.0 / np.maximum(right, 0.15), 1000.0)
    tags = np.where(right > 0.15, BUILDING, SKY).astype(np.uint8)
    wall = replace(frame, tags=tags, depth_m=depth.astype(np.float32))
    config = ThermalConfig(
        window_share=0.0, window_heat_c=0.0,
        night={**NIGHT_SURFACES, BUILDING: Surface(20.0, 0.93, 0.0)},
    )  # fmt: skip
    row = ThermalCamera(config).radiance(wall, [], NIGHT)[HEIGHT // 2]
    seen = [int(focal * r + WIDTH / 2) for r in (1.0, 0.4, 0.2)]  # at 45, 68 and 79 degrees
    air, steep = 10.0, float(row[seen[0]])
    assert steep > row[seen[1]] > row[seen[2]] > air
    rough = replace(config, smoothness={})
    even = ThermalCamera(rough).radiance(wall, [], NIGHT)[HEIGHT // 2]
    angle = np.arctan(1.0 / 0.2)
    cosine = np.cos(angle)
    kept = row[seen[2]] - even[seen[2]]
    around = even[seen[2]] - 0.93 * 20.0
    assert kept == pytest.approx(
        -0.93 * 0.15 * (1.0 - cosine) ** 5 * (20.0 - around / 0.07), rel=0.1
    )


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
