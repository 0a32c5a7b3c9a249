"""Changes weather and time of day while the world runs freely, then loads one map after another."""

import argparse
import math

import carla

PRESETS = [
    carla.WeatherParameters.ClearNoon,
    carla.WeatherParameters.CloudySunset,
    carla.WeatherParameters.WetCloudyNoon,
    carla.WeatherParameters.HardRainNight,
    carla.WeatherParameters.Default,
]


class Sun:
    def __init__(self, azimuth, altitude):
        self.azimuth, self.altitude, self.time = azimuth, altitude, 0.0

    def tick(self, delta_seconds):
        self.time = (self.time + 0.008 * delta_seconds * 1000.0) % (2.0 * math.pi)
        self.azimuth = (self.azimuth + 0.25 * delta_seconds * 100.0) % 360.0
        self.altitude = 70.0 * math.sin(self.time) - 20.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("-p", "--port", default=2000, type=int)
    parser.add_argument("--maps", nargs="*", default=["Town02", "Town02_Opt"])
    args = parser.parse_args()

    client = carla.Client(args.host, args.port)
    client.set_timeout(60.0)
    world = client.get_world()

    for preset in PRESETS:
        world.set_weather(preset)
        world.wait_for_tick()
        world.wait_for_tick()
        assert world.get_weather() == preset

    weather = world.get_weather()
    sun = Sun(weather.sun_azimuth_angle, weather.sun_altitude_angle)
    nights = 0
    for _ in range(30):
        timestamp = world.wait_for_tick(seconds=30.0).timestamp
        sun.tick(timestamp.delta_seconds)
        weather.sun_azimuth_angle, weather.sun_altitude_angle = sun.azimuth, sun.altitude
        weather.cloudiness = 50.0 + 50.0 * math.sin(sun.time)
        world.set_weather(weather)
        nights += sun.altitude < 0.0
    print(f"weather changed, {nights} of 30 steps were night")

    names = sorted(name.split("/")[-1] for name in client.get_available_maps())
    print("maps: {}".format(", ".join(names)))
    for name in args.maps:
        world = client.load_world(name)
        actors = world.get_actors()
        town = world.get_map()
        lights = len(actors.filter("traffic.traffic_light*"))
        points = len(town.get_spawn_points())
        print(f"{town.name.split('/')[-1]}: {points} spawn points, {lights} traffic lights")
        car = world.spawn_actor(
            world.get_blueprint_library().filter("vehicle.*")[0],
            world.get_map().get_spawn_points()[0],
        )
        world.wait_for_tick()
        world = client.reload_world()
        world.wait_for_tick()
        assert not world.get_actors().filter("vehicle.*"), car.id


if __name__ == "__main__":
    main()
    print("done")
