"""Spawns cars on autopilot and walkers with AI controllers, as users of CARLA do."""

import argparse
import logging
import random
import time

import carla


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", default=2000, type=int)
    parser.add_argument("--tm-port", default=8000, type=int)
    parser.add_argument("-n", "--vehicles", default=12, type=int)
    parser.add_argument("-w", "--walkers", default=8, type=int)
    parser.add_argument("--steps", default=200, type=int)
    args = parser.parse_args()

    random.seed(0)
    client = carla.Client(args.host, args.port)
    client.set_timeout(30.0)
    world = client.get_world()

    traffic_manager = client.get_trafficmanager(args.tm_port)
    traffic_manager.set_global_distance_to_leading_vehicle(2.5)
    traffic_manager.set_random_device_seed(0)
    traffic_manager.set_synchronous_mode(True)
    settings = world.get_settings()
    settings.synchronous_mode = True
    settings.fixed_delta_seconds = 0.05
    world.apply_settings(settings)

    vehicles, walkers, controllers = [], [], []
    try:
        library = world.get_blueprint_library()
        cars = [b for b in library.filter("vehicle.*") if b.get_attribute("base_type") == "car"]
        points = world.get_map().get_spawn_points()
        random.shuffle(points)

        batch = []
        for point in points[: args.vehicles]:
            blueprint = random.choice(cars)
            if blueprint.has_attribute("color"):
                colors = blueprint.get_attribute("color").recommended_values
                blueprint.set_attribute("color", random.choice(colors))
            blueprint.set_attribute("role_name", "autopilot")
            spawn = carla.command.SpawnActor(blueprint, point)
            drive = carla.command.SetAutopilot(
                carla.command.FutureActor, True, traffic_manager.get_port()
            )
            batch.append(spawn.then(drive))
        for response in client.apply_batch_sync(batch, True):
            if response.error:
                logging.error(response.error)
            else:
                vehicles.append(response.actor_id)
        for actor in world.get_actors(vehicles):
            traffic_manager.update_vehicle_lights(actor, True)

        world.set_pedestrians_seed(0)
        world.set_pedestrians_cross_factor(0.1)
        batch, speeds = [], []
        for _ in range(args.walkers):
            place = world.get_random_location_from_navigation()
            if place is None:
                continue
            blueprint = random.choice(library.filter("walker.pedestrian.*"))
            if blueprint.has_attribute("is_invincible"):
                blueprint.set_attribute("is_invincible", "false")
            speeds.append(blueprint.get_attribute("speed").recommended_values[1])
            batch.append(carla.command.SpawnActor(blueprint, carla.Transform(place)))
        kept = []
        for response, speed in zip(client.apply_batch_sync(batch, True), speeds, strict=False):
            if response.error:
                logging.error(response.error)
            else:
                walkers.append(response.actor_id)
                kept.append(speed)
        brain = library.find("controller.ai.walker")
        batch = [carla.command.SpawnActor(brain, carla.Transform(), w) for w in walkers]
        for response in client.apply_batch_sync(batch, True):
            if response.error:
                logging.error(response.error)
            else:
                controllers.append(response.actor_id)
        world.tick()
        for controller, speed in zip(world.get_actors(controllers), kept, strict=False):
            controller.start()
            controller.go_to_location(world.get_random_location_from_navigation())
            controller.set_max_speed(float(speed))

        print(f"spawned {len(vehicles)} vehicles and {len(walkers)} walkers")
        world.tick()
        before = {a.id: a.get_location() for a in world.get_actors(vehicles + walkers)}
        for _ in range(args.steps):
            world.tick()
        moved = [
            a.get_location().distance(before[a.id]) for a in world.get_actors(vehicles + walkers)
        ]
        print(f"moved: {sum(d > 5.0 for d in moved[: len(vehicles)])} vehicles")
        print(f"moved: {sum(d > 1.0 for d in moved[len(vehicles) :])} walkers")
    finally:
        settings = world.get_settings()
        settings.synchronous_mode = False
        settings.fixed_delta_seconds = None
        world.apply_settings(settings)
        print(f"destroying {len(vehicles)} vehicles")
        client.apply_batch([carla.command.DestroyActor(x) for x in vehicles])
        for controller in world.get_actors(controllers):
            controller.stop()
        print(f"destroying {len(walkers)} walkers")
        client.apply_batch([carla.command.DestroyActor(x) for x in controllers + walkers])
        time.sleep(0.5)


if __name__ == "__main__":
    main()
    print("done")
