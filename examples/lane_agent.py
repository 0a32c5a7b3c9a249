"""An agent of the CARLA Leaderboard: follows its GPS plan with GNSS, compass and speedometer.

`python -m harness.run --policy leaderboard:examples/lane_agent.py --town Town02 --routes 1`
"""

import math

import carla
from leaderboard.autoagents.autonomous_agent import AutonomousAgent, Track

EARTH_RADIUS_M = 6378137.0
LOOKAHEAD_M = 6.0
CRUISE_MPS = 6.0
WHEELBASE_M = 2.9
FULL_LOCK_DEG = 46.0  # of a bicycle with the wheels of CARLA's Model 3


def get_entry_point():
    """Tell the Leaderboard which class to drive with."""
    return "LaneAgent"


class LaneAgent(AutonomousAgent):
    """Pure pursuit along the dense plan."""

    def setup(self, path_to_conf_file):
        """Nothing to load."""
        self.track = Track.SENSORS
        self._index = 0

    def set_global_plan(self, global_plan_gps, global_plan_world_coord):
        """Keep every point: the thinned plan of the base class cuts corners."""
        super().set_global_plan(global_plan_gps, global_plan_world_coord)
        self._points = [(place["lat"], place["lon"]) for place, _ in global_plan_gps]

    def sensors(self):
        """A camera for the comparison of inputs, and what it drives by."""
        place = {"x": 0.0, "y": 0.0, "z": 0.0}
        camera = {"x": 1.3, "y": 0.0, "z": 2.3, "roll": 0.0, "pitch": 0.0, "yaw": 0.0}
        size = {"width": 320, "height": 240, "fov": 100}
        return [
            {"type": "sensor.camera.rgb", "id": "front", **camera, **size},
            {"type": "sensor.other.gnss", "id": "gps", **place},
            {"type": "sensor.other.imu", "id": "imu", **place},
            {"type": "sensor.speedometer", "id": "speed", "reading_frequency": 20},
        ]

    def run_step(self, input_data, timestamp):
        """Steer to the point some metres ahead."""
        latitude, longitude, _ = input_data["gps"][1]
        compass = input_data["imu"][1][6]  # radians from north, clockwise
        speed = input_data["speed"][1]["speed"]
        ahead, right = self._target(latitude, longitude, compass)
        curvature = 2.0 * right / max(ahead**2 + right**2, 1.0)
        steer = math.degrees(math.atan(WHEELBASE_M * curvature)) / FULL_LOCK_DEG
        wanted = CRUISE_MPS / (1.0 + 12.0 * abs(curvature))
        error = wanted - speed
        return carla.VehicleControl(
            throttle=min(max(0.3 + 0.3 * error, 0.0), 0.75) if error > -0.3 else 0.0,
            steer=min(max(steer, -1.0), 1.0),
            brake=min(max(-0.3 * error, 0.0), 1.0) if error < -1.0 else 0.0,
        )

    def destroy(self):
        """Nothing to let go."""

    def _target(self, latitude, longitude, compass):
        """Metres forward and to the right of the first point that is far enough ahead."""
        while True:
            lat, lon = self._points[self._index]
            north = math.radians(lat - latitude) * EARTH_RADIUS_M
            east = math.radians(lon - longitude) * EARTH_RADIUS_M * math.cos(math.radians(lat))
            ahead = north * math.cos(compass) + east * math.sin(compass)
            right = east * math.cos(compass) - north * math.sin(compass)
            if math.hypot(ahead, right) > LOOKAHEAD_M or self._index == len(self._points) - 1:
                return ahead, right
            self._index += 1
