"""`python -m harness.robustness.tick`: milliseconds of a tick without sensors, as a client sees it.

A plain socket client ticks and waits for each world state; cars drive with steady controls.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import struct
import sys
from collections.abc import Sequence
from time import perf_counter

from fusiondrive.text import lenient_output
from harness.robustness.embedded import EmbeddedServer, PlainClient, plain_client, unwrap
from harness.robustness.soak import SETTINGS, subscribe, world_stream
from harness.robustness.verdict import Check, at_most, conclude

LIMIT_MS = 1.0
WARM_UP = 50
CONTROL = [0.35, 0.05, 0.0, False, False, False, 0]


def receive_state(sock: socket.socket) -> None:
    """Read one message of a stream."""
    size = struct.unpack("<I", _exactly(sock, 4))[0]
    _exactly(sock, size)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += sock.recv(count - len(data))
    return data


def spawn_cars(client: PlainClient, count: int) -> int:
    """Cars at spawn points, driving; how many found a place."""
    made = 0
    for place, turn in unwrap(client.call("get_map_info"))[1]:
        if made == count:
            break
        pose = [[place[0], place[1], place[2] + 0.2], turn]
        answer = client.call("spawn_actor", [0, "vehicle.tesla.model3", []], pose)
        if answer[0][0]:
            client.call("apply_control_to_vehicle", answer[0][1][0], CONTROL)
            made += 1
    return made


def measure(town: str, cars: int, ticks: int) -> list[Check]:
    """Median and 95th percentile, and where the time goes in the server."""
    with EmbeddedServer("--town", town) as server, plain_client(server.address) as client:
        client.call("set_episode_settings", SETTINGS)
        made = spawn_cars(client, cars)
        with subscribe(server.address, world_stream(client)) as stream:
            receive_state(stream)
            times = []
            for number in range(WARM_UP + ticks):
                if number == WARM_UP:
                    client.call("fusiondrive_profile")
                began = perf_counter()
                client.call("tick_cue")
                receive_state(stream)
                times.append(1000.0 * (perf_counter() - began))
            stages = client.call("fusiondrive_profile")
    taken = sorted(times[WARM_UP:])
    checks = [at_most(f"median, {made} cars", statistics.median(taken), LIMIT_MS, " ms")]
    checks.append(Check("95th percentile", f"{taken[int(0.95 * len(taken))]:.3g} ms", "", True))
    for stage in ("physics", "records", "sensors", "send"):
        checks.append(Check(f"of it {stage}", f"{stages[stage]:.3g} ms", "", True))
    return checks


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; the exit code is 1 if the median is above the limit."""
    lenient_output()
    parser = argparse.ArgumentParser(prog="python -m harness.robustness.tick", description=__doc__)
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--cars", type=int, default=50)
    parser.add_argument("--ticks", type=int, default=500)
    given = parser.parse_args(arguments)
    return conclude("tick", measure(given.town, given.cars, given.ticks))


if __name__ == "__main__":
    sys.exit(main())
