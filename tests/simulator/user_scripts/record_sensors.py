"""Drives a car with every sensor on it and saves what they see, paired by frame."""

import argparse
import os
import queue

import carla
import numpy as np

SENSORS = [
    ("sensor.camera.rgb", {"image_size_x": "200", "image_size_y": "112"}),
    ("sensor.camera.depth", {"image_size_x": "200", "image_size_y": "112"}),
    ("sensor.camera.semantic_segmentation", {"image_size_x": "200", "image_size_y": "112"}),
    ("sensor.camera.instance_segmentation", {"image_size_x": "200", "image_size_y": "112"}),
    ("sensor.camera.normals", {"image_size_x": "200", "image_size_y": "112"}),
    ("sensor.camera.optical_flow", {"image_size_x": "200", "image_size_y": "112"}),
    ("sensor.lidar.ray_cast", {"range": "60", "points_per_second": "100000"}),
    ("sensor.lidar.ray_cast_semantic", {"range": "60", "points_per_second": "100000"}),
    ("sensor.other.radar", {}),
    ("sensor.other.gnss", {}),
    ("sensor.other.imu", {}),
]
CONVERTERS = {
    "sensor.camera.depth": carla.ColorConverter.LogarithmicDepth,
    "sensor.camera.semantic_segmentation": carla.ColorConverter.CityScapesPalette,
}


class SyncMode:
    """Yields the data of all sensors for one frame after the other."""

    def __init__(self, world, sensors, fps):
        self.world, self.sensors, self.delta = world, sensors, 1.0 / fps
        self.queues = []

    def __enter__(self):
        self.settings = self.world.get_settings()
        self.world.apply_settings(
            carla.WorldSettings(
                no_rendering_mode=False, synchronous_mode=True, fixed_delta_seconds=self.delta
            )
        )

        def make_queue(register):
            waiting: queue.Queue[carla.SensorData] = queue.Queue()
            register(waiting.put)
            self.queues.append(waiting)

        make_queue(self.world.on_tick)
        for sensor in self.sensors:
            make_queue(sensor.listen)
        return self

    def tick(self, timeout):
        frame = self.world.tick()
        data = [self.retrieve(waiting, frame, timeout) for waiting in self.queues]
        assert all(one.frame == frame for one in data)
        return data

    def retrieve(self, waiting, frame, timeout):
        while True:
            data = waiting.get(timeout=timeout)
            if data.frame == frame:
                return data

    def __exit__(self, *args):
        for sensor in self.sensors:
            sensor.stop()
        self.world.apply_settings(self.settings)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", default=2000, type=int)
    parser.add_argument("--out", default="_out")
    parser.add_argument("--frames", default=10, type=int)
    args = parser.parse_args()

    client = carla.Client(args.host, args.port, worker_threads=16)
    client.set_timeout(30.0)
    world = client.get_world()
    library = world.get_blueprint_library()
    actors = []
    try:
        blueprint = library.filter("vehicle.*model3*")[0]
        point = world.get_map().get_spawn_points()[0]
        car = world.spawn_actor(blueprint, point)
        actors.append(car)
        spectator = world.get_spectator()
        spectator.set_transform(
            carla.Transform(point.location + carla.Location(z=30.0), carla.Rotation(pitch=-90.0))
        )
        hits: list[carla.CollisionEvent] = []
        bump = world.spawn_actor(
            library.find("sensor.other.collision"), carla.Transform(), attach_to=car
        )
        bump.listen(hits.append)
        actors.append(bump)
        lanes = world.spawn_actor(
            library.find("sensor.other.lane_invasion"), carla.Transform(), attach_to=car
        )
        lanes.listen(lambda event: None)
        actors.append(lanes)

        sensors = []
        mount = carla.Transform(carla.Location(x=0.8, z=1.7))
        for name, attributes in SENSORS:
            blueprint = library.find(name)
            for key, value in attributes.items():
                blueprint.set_attribute(key, value)
            sensor = world.spawn_actor(blueprint, mount, attach_to=car)
            sensors.append(sensor)
            actors.append(sensor)

        with SyncMode(world, sensors, fps=20) as sync:
            car.apply_control(carla.VehicleControl(throttle=0.5))
            for _ in range(args.frames):
                snapshot, *data = sync.tick(timeout=30.0)
                for sensor, one in zip(sensors, data, strict=False):
                    folder = os.path.join(args.out, sensor.type_id)
                    path = os.path.join(folder, f"{snapshot.frame:08d}")
                    if isinstance(one, carla.Image):
                        one.save_to_disk(
                            path + ".png", CONVERTERS.get(sensor.type_id, carla.ColorConverter.Raw)
                        )
                    elif isinstance(one, (carla.LidarMeasurement, carla.SemanticLidarMeasurement)):
                        one.save_to_disk(path + ".ply")
                    else:
                        os.makedirs(folder, exist_ok=True)
                        if isinstance(one, carla.RadarMeasurement):
                            points = np.frombuffer(one.raw_data, dtype=np.dtype("f4"))
                            np.save(path, points.reshape((len(one), 4)))
                        elif isinstance(one, carla.OpticalFlowImage):
                            image = one.get_color_coded_flow()
                            np.save(path, np.frombuffer(image.raw_data, dtype=np.uint8))
                        else:
                            with open(path + ".txt", "w") as file:
                                file.write(str(one))
        print(f"frames: {args.frames}, collisions: {len(hits)}")
    finally:
        print("destroying actors")
        client.apply_batch([carla.command.DestroyActor(x) for x in actors])


if __name__ == "__main__":
    main()
    print("done")
