from collections.abc import Iterator

import carla
import pytest

from fusiondrive.errors import ConfigError
from fusiondrive.types import Pose, SensorSpec
from harness.session import Address, Session
from sensors.mounted import MountedSensors

KINDS = {
    "lidar": ("sensor.lidar.ray_cast", carla.LidarMeasurement),
    "radar": ("sensor.other.radar", carla.RadarMeasurement),
    "gps": ("sensor.other.gnss", carla.GnssMeasurement),
    "imu": ("sensor.other.imu", carla.IMUMeasurement),
    "left": ("sensor.camera.rgb", carla.Image),
}


@pytest.fixture(scope="module")
def session(emptied) -> Iterator[Session]:
    with Session(Address(*emptied("Town02"))) as made:
        made.load("Town02")
        yield made


@pytest.fixture
def ego(session: Session) -> Iterator[carla.Vehicle]:
    blueprint = session.world.get_blueprint_library().find("vehicle.tesla.model3")
    actor = session.world.spawn_actor(blueprint, session.map.get_spawn_points()[0])
    yield actor
    actor.destroy()
    session.tick()


def test_every_sensor_answers_for_each_frame(session: Session, ego: carla.Vehicle) -> None:
    size = (("image_size_x", "64"), ("image_size_y", "48"))
    specs = [
        SensorSpec(name, kind, Pose(0.0, 0.0, 2.0), size if "camera" in kind else ())
        for name, (kind, _) in KINDS.items()
    ]
    specs += [SensorSpec("speed", "sensor.speedometer"), SensorSpec("map", "sensor.opendrive_map")]
    opendrive = session.map.to_opendrive
    ego.set_target_velocity(carla.Vector3D(3.0, 0.0, 0.0))
    with MountedSensors(session.world, ego, specs, opendrive=opendrive) as mounted:
        session.expect_slow_tick()
        for _ in range(3):
            frame = session.tick()
            readings = mounted.read(frame, 60.0)
            assert {reading.frame for reading in readings.values()} == {frame}
    for name, (_, kind) in KINDS.items():
        assert isinstance(readings[name].data, kind)
        assert readings[name].data.frame == frame
    assert abs(readings["speed"].data) < 5.0
    assert "<OpenDRIVE" in readings["map"].data


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (SensorSpec("x", "sensor.other.sonar"), "sensor 'x': the server has no sensor.other.sonar"),
        (
            SensorSpec("x", "sensor.other.imu", attributes=(("colour", "1"),)),
            "sensor.other.imu has no attribute 'colour'; known: .*noise_seed",
        ),
    ],
)
def test_unknown_sensors_and_attributes_are_named(
    session: Session, ego: carla.Vehicle, spec: SensorSpec, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        MountedSensors(session.world, ego, [spec], opendrive=str)
