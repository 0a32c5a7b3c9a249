"""Drives by scripted keys while time passes by itself; looks through every camera on the way."""

import argparse
import math
import queue
import random

import carla

CAMERAS = {
    "Camera RGB": "sensor.camera.rgb",
    "Camera Depth": "sensor.camera.depth",
    "Camera Semantic Segmentation": "sensor.camera.semantic_segmentation",
    "Camera Instance Segmentation": "sensor.camera.instance_segmentation",
    "Cosmos Control Visualization": "sensor.camera.cosmos_visualization",
    "Lidar": "sensor.lidar.ray_cast",
    "Optical Flow": "sensor.camera.optical_flow",
    "Normals": "sensor.camera.normals",
}
KEYS = ((40, 0.7, 0.0), (40, 0.4, 0.2), (40, 0.4, -0.2), (40, 0.0, 0.0))  # frames, throttle, steer
PEDESTRIANS = 5


class Player:
    """The car, its small sensors, and what a display would show of them."""

    def __init__(self, world, library):
        self.world = world
        blueprint = random.choice(list(library.filter("vehicle.*")))
        blueprint.set_attribute("role_name", "hero")
        if blueprint.has_attribute("color"):
            color = random.choice(blueprint.get_attribute("color").recommended_values)
            blueprint.set_attribute("color", color)
        if blueprint.has_attribute("is_invincible"):
            blueprint.set_attribute("is_invincible", "true")
        point = random.choice(world.get_map().get_spawn_points())
        self.car = world.spawn_actor(blueprint, point)
        control = self.car.get_physics_control()
        control.use_sweep_wheel_collision = True
        self.car.apply_physics_control(control)
        self.start = self.car.get_transform().location
        self.heard = dict.fromkeys(("gnss", "imu", "radar", "lane_invasion", "collision"), 0)
        self.sensors = [self.listen(library, name) for name in self.heard]

    def listen(self, library, name):
        sensor = self.world.spawn_actor(
            library.find(f"sensor.other.{name}"), carla.Transform(), attach_to=self.car
        )

        def count(_):
            self.heard[name] += 1

        sensor.listen(count)
        return sensor

    def lines(self):
        pose, speed = self.car.get_transform(), self.car.get_velocity().length()
        control = self.car.get_control()
        others = [a for a in self.world.get_actors().filter("vehicle.*") if a.id != self.car.id]
        yield f"Vehicle: {self.car.type_id}  Map: {self.world.get_map().name}"
        yield f"Speed: {3.6 * speed:.0f} km/h  Heading: {pose.rotation.yaw:.0f}"
        yield f"Gear: {control.gear}  Throttle: {control.throttle:.2f}  Steer: {control.steer:.2f}"
        yield f"Vehicles near by: {len([o for o in others if o.get_location() != pose.location])}"


def look_through(world, library, player, name):
    blueprint = library.find(CAMERAS[name])
    if blueprint.has_attribute("image_size_x"):
        blueprint.set_attribute("image_size_x", "320")
        blueprint.set_attribute("image_size_y", "180")
    if blueprint.has_attribute("gamma"):
        blueprint.set_attribute("gamma", "2.2")
    bound = 0.5 + player.car.bounding_box.extent.x
    place = carla.Transform(carla.Location(x=-2.0 * bound, z=2.5), carla.Rotation(pitch=8.0))
    camera = world.spawn_actor(
        blueprint, place, attach_to=player.car, attachment_type=carla.AttachmentType.SpringArmGhost
    )
    seen: queue.Queue[carla.Image] = queue.Queue()
    camera.listen(seen.put)
    data = seen.get(timeout=20.0)
    camera.stop()
    camera.destroy()
    return len(data.raw_data)


def send_pedestrians(world, library):
    made: list[int] = []
    while len(made) < 2 * PEDESTRIANS:
        place = carla.Transform(world.get_random_location_from_navigation())
        blueprint = random.choice(list(library.filter("walker.pedestrian.*")))
        walker = world.try_spawn_actor(blueprint, place)
        if walker is None:
            continue
        brain = world.spawn_actor(library.find("controller.ai.walker"), carla.Transform(), walker)
        brain.start()  # without waiting for a tick
        brain.go_to_location(world.get_random_location_from_navigation())
        brain.set_max_speed(float(blueprint.get_attribute("speed").recommended_values[1]))
        made += [walker, brain]
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", default=2000, type=int)
    args = parser.parse_args()

    random.seed(5)
    client = carla.Client(args.host, args.port)
    client.set_timeout(30.0)
    world = client.get_world()
    library = world.get_blueprint_library()
    for blueprint in CAMERAS.values():
        library.find(blueprint)
    player = Player(world, library)
    walkers = send_pedestrians(world, library)
    starts = [walker.get_location() for walker in walkers[::2]]
    cameras = iter(CAMERAS)
    for frames, throttle, steer in KEYS:
        player.car.apply_control(carla.VehicleControl(throttle, steer))
        for _ in range(frames):
            world.wait_for_tick()
        print("\n".join(player.lines()))
        for name in (next(cameras), next(cameras)):
            print(f"{name}: {look_through(world, library, player, name)} bytes")
    ways = [w.get_location().distance(s) for w, s in zip(walkers[::2], starts, strict=True)]
    print(f"walked: {sum(way > 1.0 for way in ways)} pedestrians")
    print(f"drove {math.floor(player.car.get_location().distance(player.start))} m")
    print(f"messages: {min(player.heard[name] for name in ('gnss', 'imu', 'radar'))}")
    for sensor in player.sensors:
        sensor.stop()
    for brain in walkers[1::2]:
        brain.stop()
    gone = [*player.sensors, player.car, *reversed(walkers)]
    client.apply_batch_sync([carla.command.DestroyActor(actor) for actor in gone])
    # `stop` does not wait for a message in flight; one that asks for the interpreter while it ends
    # makes the client's C++ call std::terminate.
    world.wait_for_tick()
    world.wait_for_tick()
    print("done")


if __name__ == "__main__":
    main()
