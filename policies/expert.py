"""The privileged driver: pure pursuit along the route, speed by curvature, traffic and lights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusiondrive.geometry import wrap_radians
from fusiondrive.types import ActorState, Control, EpisodeContext, Observation, Route, WorldState
from policies.base import Policy
from policies.corridor import Corridor, Hazard, HazardKind, find_hazards, make_corridor

PATH_M = (4.0, 8.0, 12.0, 16.0, 20.0, 24.0)  # ahead on the route: what clones may learn beside
PREVIEW_S = 0.4  # of the speed profile: what pedals and engine lag behind


@dataclass(frozen=True)
class ExpertConfig:
    """How the expert drives; 35 km/h straight and about 15 km/h in turns as CILRS's expert."""

    cruise_mps: float = 35.0 / 3.6
    turn_floor_mps: float = 3.6
    lateral_accel: float = 2.0  # m/s^2
    comfort_decel: float = 1.8  # m/s^2
    lookahead_s: float = 0.45
    lookahead_base_m: float = 2.0
    lookahead_min_m: float = 3.2
    lookahead_max_m: float = 9.0
    wheelbase_m: float = 2.9
    full_lock_deg: float = 46.0  # as a bicycle; CARLA's 70 degrees are the inner wheel's
    time_gap_s: float = 1.2
    standstill_gap_m: float = 2.5
    line_gap_m: float = 1.0
    walker_gap_m: float = 3.0
    patience_s: float = 8.0  # standing this long for vehicles that might turn, the expert goes
    resolve_s: float = 4.0  # and pays them no heed for so long; for real crossings twice as late
    obey_lights: bool = True


class ExpertPolicy(Policy):
    """Drives a route with full knowledge of the world; the teacher of the learned policies."""

    is_privileged = True
    uses_image = False

    def __init__(self, config: ExpertConfig | None = None) -> None:
        self.config = self._own_config = config or ExpertConfig()
        self.hazard: Hazard | None = None  # what the last step slowed down for
        self.wanted_mps = 0.0  # the speed that the last step was after
        self.free_mps = 0.0  # the same if there were no traffic lights
        self.off_m = 0.0  # distance from the route at the last step

    def reset(self, context: EpisodeContext) -> None:
        """Take over the route."""
        config = self._own_config
        if context.speed_mps is not None:
            config = replace(config, cruise_mps=context.speed_mps)
        self.config = config
        self._route = context.route
        self._speeds = speed_profile(context.route, self.config)
        self._delta_s = context.delta_s
        self._distance_m = 0.0
        self._integral = 0.0
        self._standing_s = 0.0
        self._resolved_s = 0.0
        self._ignored: tuple[HazardKind, ...] = ()
        self._yaws: dict[int, float] = {}
        self.hazard = None

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Steer by pure pursuit, then choose throttle or brake for the lowest speed demanded."""
        if state is None or state.progress is None:
            raise TypeError("the expert needs the world state with the progress along the route")
        ego = state.ego
        distance_m, self.off_m = state.progress.distance_m, state.progress.deviation_m
        self._distance_m = distance_m
        reach_m = 12.0 + 3.5 * ego.speed_mps
        corridor = make_corridor(self._route, distance_m, ego, reach_m)
        lines = state.stop_lines if self.config.obey_lights else ()
        rates = self._yaw_rates(state.vehicles)
        hazards = find_hazards(corridor, state.vehicles, state.walkers, lines, rates)
        self._choose_speed(corridor, hazards, distance_m)
        throttle, brake = self._pedals(ego.speed_mps, self.wanted_mps)
        self._lose_patience(ego.speed_mps)
        return Control(throttle=throttle, steer=self._steer(ego, distance_m), brake=brake)

    def steer_turned(self, ego: ActorState, yaw_deg: float) -> float:
        """Steering of the last step if the car stood turned to the right by `yaw_deg`."""
        pose = replace(ego.pose, yaw=ego.pose.yaw + yaw_deg)
        return self._steer(replace(ego, pose=pose), self._distance_m)

    def path_ahead(self, ego: ActorState, yaw_deg: float = 0.0) -> NDArray[np.float64]:
        """Route points `PATH_M` ahead of the last step's, as seen from the car.

        Args:
            ego: the car.
            yaw_deg: how much further to the right it is taken to be turned.

        Returns:
            (len(PATH_M), 2) metres forward and to the right.
        """
        points = [point_at(self._route, self._distance_m + ahead_m) for ahead_m in PATH_M]
        offsets = np.array(points) - (ego.pose.x, ego.pose.y)
        yaw = np.deg2rad(ego.pose.yaw + yaw_deg)
        forward, right = (np.cos(yaw), np.sin(yaw)), (-np.sin(yaw), np.cos(yaw))
        return np.asarray(offsets @ np.array((forward, right)).T)

    def weights_hash(self) -> str:
        """No weights."""
        return "none"

    def _lose_patience(self, speed_mps: float) -> None:
        """After standing long enough for others' possible ways, go for a while regardless."""
        waits = self.hazard is not None and self.hazard.kind in (
            HazardKind.CROSSING,
            HazardKind.GUESS,
        )
        self._resolved_s -= self._delta_s
        self._standing_s = self._standing_s + self._delta_s if waits and speed_mps < 0.1 else 0.0
        if self._standing_s > self.config.patience_s:
            self._ignored = (HazardKind.GUESS,)
            if self._standing_s > 2.0 * self.config.patience_s:
                self._ignored = (HazardKind.GUESS, HazardKind.CROSSING)
            self._resolved_s = self.config.resolve_s

    def _yaw_rates(self, vehicles: tuple[ActorState, ...]) -> dict[int, float]:
        """Turning of each vehicle since the last step, in rad/s."""
        yaws = {vehicle.actor_id: float(np.deg2rad(vehicle.pose.yaw)) for vehicle in vehicles}
        rates = {
            key: wrap_radians(yaw - self._yaws[key]) / self._delta_s
            for key, yaw in yaws.items()
            if key in self._yaws
        }
        self._yaws = yaws
        return rates

    def _steer(self, ego: ActorState, distance_m: float) -> float:
        """Pure pursuit from the rear axle (Coulter 1992); positive steers right."""
        config = self.config
        yaw = np.deg2rad(ego.pose.yaw)
        rear_m = 0.5 * config.wheelbase_m
        rear = (ego.pose.x - rear_m * np.cos(yaw), ego.pose.y - rear_m * np.sin(yaw))
        lookahead = np.clip(
            config.lookahead_base_m + config.lookahead_s * ego.speed_mps,
            config.lookahead_min_m,
            config.lookahead_max_m,
        )
        target = point_at(self._route, distance_m - rear_m + lookahead)
        offset = (target[0] - rear[0], target[1] - rear[1])
        side = -np.sin(yaw) * offset[0] + np.cos(yaw) * offset[1]
        curvature = 2.0 * side / max(offset[0] ** 2 + offset[1] ** 2, 1.0)
        angle_deg = np.rad2deg(np.arctan(config.wheelbase_m * curvature))
        return float(np.clip(angle_deg / config.full_lock_deg, -1.0, 1.0))

    def _choose_speed(self, corridor: Corridor, hazards: list[Hazard], distance_m: float) -> None:
        """Lowest of the road's speed here and what each hazard permits."""
        preview_m = distance_m + PREVIEW_S * corridor.speed_mps
        speed = float(np.interp(preview_m, self._route.cumulative_m, self._speeds))
        self.wanted_mps = self.free_mps = speed
        self.hazard = None
        for hazard in hazards:
            if self._resolved_s > 0.0 and hazard.kind in self._ignored:
                continue
            permitted = self._permitted_speed(hazard)
            if permitted < self.wanted_mps:
                self.wanted_mps, self.hazard = permitted, hazard
            if hazard.kind is not HazardKind.LIGHT:
                self.free_mps = min(self.free_mps, permitted)

    def _permitted_speed(self, hazard: Hazard) -> float:
        """Speed from which a comfortable stop, or the other's speed, is reached in the gap."""
        config = self.config
        margins = {
            HazardKind.LEAD: config.standstill_gap_m,
            HazardKind.CROSSING: config.standstill_gap_m,
            HazardKind.GUESS: config.standstill_gap_m,
            HazardKind.WALKER: config.walker_gap_m,
            HazardKind.LIGHT: config.line_gap_m,
        }
        free_m = hazard.gap_m - margins[hazard.kind]
        if free_m <= 0.0:
            return 0.0
        stopping = np.sqrt(2.0 * config.comfort_decel * free_m + hazard.along_mps**2)
        if hazard.kind is HazardKind.LEAD:
            return float(min(stopping, hazard.along_mps + free_m / config.time_gap_s))
        return float(stopping)

    def _pedals(self, speed_mps: float, wanted_mps: float) -> tuple[float, float]:
        """PI control to throttle, P control to brake, with a dead band between them."""
        error = wanted_mps - speed_mps
        if wanted_mps < 0.3 and speed_mps < 1.0:
            self._integral = 0.0
            return 0.0, 0.7
        if error < -0.3:
            self._integral = 0.0
            return 0.0, float(np.clip(-0.35 * (error + 0.3) + 0.05, 0.0, 1.0))
        self._integral = float(np.clip(self._integral + error * self._delta_s, -1.0, 3.0))
        throttle = 0.3 * error + 0.12 * self._integral + 0.018 * wanted_mps
        return float(np.clip(throttle, 0.0, 0.75)), 0.0


def point_at(route: Route, distance_m: float) -> tuple[float, float]:
    """Route point at an arc length; beyond either end the route goes on straight."""
    arc = route.cumulative_m
    inside = float(np.clip(distance_m, 0.0, arc[-1]))
    beyond = distance_m - inside
    yaw = np.deg2rad(route.yaws[-1] if beyond > 0 else route.yaws[0])
    return (
        float(np.interp(inside, arc, route.points[:, 0]) + beyond * np.cos(yaw)),
        float(np.interp(inside, arc, route.points[:, 1]) + beyond * np.sin(yaw)),
    )


def speed_profile(route: Route, config: ExpertConfig) -> NDArray[np.float64]:
    """Speed for each route point: limited by lateral acceleration, and by braking before bends.

    Returns:
        (N,) m/s; it falls to the turn speed at the goal, where an episode ends.
    """
    arc = route.cumulative_m
    yaws = np.unwrap(np.deg2rad(route.yaws))
    ends = np.clip(arc[:, None] + np.array((-2.0, 2.0)), arc[0], arc[-1])
    turn = np.abs(np.interp(ends[:, 1], arc, yaws) - np.interp(ends[:, 0], arc, yaws))
    curvature = turn / np.maximum(ends[:, 1] - ends[:, 0], 0.5)
    speeds = np.sqrt(config.lateral_accel / np.maximum(curvature, 1e-4))
    speeds = np.clip(speeds, config.turn_floor_mps, config.cruise_mps)
    speeds[-1] = min(speeds[-1], config.turn_floor_mps)
    for index in range(len(speeds) - 2, -1, -1):
        step = arc[index + 1] - arc[index]
        reachable = np.sqrt(speeds[index + 1] ** 2 + 2.0 * config.comfort_decel * step)
        speeds[index] = min(speeds[index], reachable)
    return np.asarray(speeds)
