"""Drives a car along its lane with a PID controller, stops at red, and draws the way ahead."""

import argparse
import math
import random

import carla

STEP = 0.05


class Pilot:
    """Steers towards a waypoint some metres ahead and holds a speed."""

    def __init__(self, vehicle, town, speed_kmh):
        self.vehicle, self.town, self.speed = vehicle, town, speed_kmh
        self.steer, self.errors = 0.0, [0.0]
        self.way = [town.get_waypoint(vehicle.get_location())]

    def next_waypoint(self):
        here, speed = self.vehicle.get_location(), self.vehicle.get_velocity().length()
        while self.way and here.distance(self.way[0].transform.location) < 3.0 + 0.5 * speed:
            if len(self.way) == 1:
                self.way.append(random.choice(self.way[0].next(2.0)))
            self.way.pop(0)
        return self.way[0]

    def run_step(self):
        target = self.next_waypoint().transform.location
        pose = self.vehicle.get_transform()
        ahead, right = pose.get_forward_vector(), pose.get_right_vector()
        to = target - pose.location
        error = math.atan2(to.x * right.x + to.y * right.y, to.x * ahead.x + to.y * ahead.y)
        self.errors = [*self.errors, error][-10:]
        wanted = 1.95 * error + 0.2 * (error - self.errors[-2]) / STEP
        wanted += 0.05 * sum(self.errors) * STEP
        self.steer = max(self.steer - 0.1, min(self.steer + 0.1, wanted, 0.8), -0.8)
        control = carla.VehicleControl(steer=self.steer)
        missing = self.speed - 3.6 * self.vehicle.get_velocity().length()
        control.throttle, control.brake = min(max(missing, 0.0), 0.75), min(max(-missing, 0.0), 0.3)
        light = self.vehicle.get_traffic_light()
        if self.vehicle.is_at_traffic_light() and light.get_state() == carla.TrafficLightState.Red:
            control.throttle, control.brake = 0.0, 1.0
        return control


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", default=2000, type=int)
    parser.add_argument("--steps", default=800, type=int)
    args = parser.parse_args()

    random.seed(3)
    client = carla.Client(args.host, args.port)
    client.set_timeout(30.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP
    world.apply_settings(settings)
    library, town = world.get_blueprint_library(), world.get_map()
    actors: list[carla.Actor] = []
    hits: list[carla.CollisionEvent] = []
    try:
        car = world.spawn_actor(
            library.find("vehicle.lincoln.mkz_2020"), town.get_spawn_points()[51]
        )
        actors.append(car)
        bump = world.spawn_actor(library.find("sensor.other.collision"), carla.Transform(), car)
        actors.append(bump)
        bump.listen(hits.append)
        for _ in range(15):
            world.tick()
        pilot, length, aside, before = Pilot(car, town, 20.0), 0.0, 0.0, car.get_location()
        for _ in range(args.steps):
            car.apply_control(pilot.run_step())
            mark = pilot.way[0].transform.location + carla.Location(z=0.5)
            world.debug.draw_point(mark, life_time=2 * STEP)
            world.tick()
            here = car.get_location()
            length, before = length + here.distance(before), here
            lane = town.get_waypoint(here)
            if not lane.is_junction:
                aside = max(aside, here.distance(lane.transform.location))
        print(f"drove {length:.0f} m, {len(hits)} collisions, at most {100 * aside:.0f} cm aside")
    finally:
        settings.synchronous_mode, settings.fixed_delta_seconds = False, None
        world.apply_settings(settings)
        for actor in reversed(actors):
            actor.destroy()


if __name__ == "__main__":
    main()
    print("done")
