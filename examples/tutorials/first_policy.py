"""A first policy: steer to a point of the route ahead, and compare it with driving straight on.

python first_policy.py --routes 5 --out runs/first_policy
"""

from __future__ import annotations

import argparse
from pathlib import Path

import results
from fusiondrive.types import Control, Observation, WorldState
from harness import run
from policies.base import Policy

CRUISE_MPS = 6.0


class Pursuit(Policy):
    """Steers to the route's point 10 m ahead, and slows down where that takes a bend."""

    uses_image = False

    def act(self, observation: Observation, state: WorldState | None) -> Control:
        """Choose the control for the next 0.1 s."""
        forward_m, right_m = observation.target_point
        curvature = 2.0 * right_m / (forward_m**2 + right_m**2)  # 1/m, of the circle through it
        wanted_mps = CRUISE_MPS / (1.0 + 10.0 * abs(curvature))
        error_mps = wanted_mps - observation.forward_speed_mps
        return Control(
            throttle=min(max(0.3 * error_mps + 0.2, 0.0), 0.7),
            steer=min(max(3.5 * curvature, -1.0), 1.0),
            brake=min(max(-0.3 * error_mps - 0.2, 0.0), 1.0),
        )


def main() -> None:
    """Drive the same routes with both policies, and print what came of each drive."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--routes", default="5")
    parser.add_argument("--out", default="runs/first_policy")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    mine = f"{Path(__file__).stem}:Pursuit"
    for policy in ("constant", mine):
        words = ["--policy", policy, "--town", "Town02", "--routes", options.routes]
        code = run.main([*words, "--out", options.out, *further])
        if code != 0:
            raise SystemExit(code)
    rows = results.load(options.out)
    columns = ["policy", "route_id", "outcome", "completion", "lane_infractions", "duration_s"]
    print(rows[columns].to_string(index=False))


if __name__ == "__main__":
    main()
