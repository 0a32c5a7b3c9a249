"""`python -m harness.robustness.soak`: what a server meets in weeks, within minutes.

Connections without number, actors that come and go, map after map, clients that die within a
call, and subscribers that do not read, while another client ticks.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import msgpack

from fusiondrive.text import lenient_output
from harness.robustness.embedded import EmbeddedServer, PlainClient, plain_client, unwrap
from harness.robustness.ticker import Ticker
from harness.robustness.verdict import Check, at_most, conclude, equal, grows_at_most

STALL_LIMIT_S = 5.0  # clients give up after five seconds by default
LOADS_WARM_UP = 6
CYCLES_WARM_UP = 300
SETTINGS = [True, False, [True, 0.05], True, 0.01, 10, 0.0, True, 3000.0, 2000.0, True]
BLUEPRINTS = ("vehicle.tesla.model3", "walker.pedestrian.0001", "static.prop.barrel")


class Amounts(NamedTuple):
    """How much of everything."""

    cycles: int = 5000
    spawns: int = 1000
    loads: int = 200
    deaths: int = 500
    readers: int = 8


def connect_and_leave(address: tuple[str, int], count: int) -> None:
    """RPC and stream connections that ask one thing and hang up, also without a goodbye."""
    with plain_client(address) as client:
        world = world_stream(client)
    for i in range(count):
        with plain_client(address) as client:
            client.call("version")
            if i % 2:  # a reset instead of an orderly end
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        subscribe(address, world).close()


def world_stream(client: PlainClient) -> int:
    """The number by which a server knows the stream of its world."""
    _, (token,) = unwrap(client.call("get_episode_info"))
    return number_of(token)


def number_of(token: bytes) -> int:
    """The number by which a server knows the stream of a token."""
    return int(struct.unpack_from("<I", token)[0])


def subscribe(address: tuple[str, int], stream: int) -> socket.socket:
    """A subscriber that does not read by itself."""
    sock = socket.create_connection((address[0], address[1] + 1), 30.0)
    sock.sendall(struct.pack("<I", stream))
    return sock


def die_within_calls(address: tuple[str, int], count: int) -> None:
    """Ask for something long and leave before the answer, or within the question."""
    questions = ("get_map_data", "get_actor_definitions", "tick_cue", "get_environment_objects")
    for i in range(count):
        method = questions[i % len(questions)]
        args = [[False], 255] if method == "get_environment_objects" else [[False]]
        question = msgpack.packb([0, i, method, args])
        client = PlainClient(address)
        client.send(question if i % 3 else question[: len(question) // 2])
        client.close()


def spawn_and_destroy(address: tuple[str, int], count: int) -> int:
    """Actors and sensors one after the other; how many were made."""
    made = 0
    with plain_client(address) as client:
        points = unwrap(client.call("get_map_info"))[1]
        for i in range(count):
            blueprint = BLUEPRINTS[i % len(BLUEPRINTS)]
            place, turn = points[i % len(points)]
            pose = [[place[0], place[1], place[2] + 1.0], turn]
            actor = unwrap(client.call("spawn_actor", [0, blueprint, []], pose))
            camera = [0, "sensor.camera.depth", [["image_size_x", 2, "32"]]]
            child = client.call("spawn_actor_with_parent", camera, pose, actor[0], 0, "")
            for one in (unwrap(child)[0], actor[0]):
                unwrap(client.call("destroy_actor", one))
            made += 1
    return made


def load_maps(address: tuple[str, int], towns: Sequence[str], count: int) -> None:
    """Change the map as the client does: load, then subscribe to the world again."""
    with plain_client(address) as client:
        for i in range(count):
            answer = client.call("load_new_episode", towns[i % len(towns)], False, 65535)
            if answer != [[False]]:
                raise RuntimeError(f"load {i}: {answer}")
            with subscribe(address, world_stream(client)) as sock:
                sock.recv(1 << 16)  # the new world's first state
            client.call("get_map_info")


def stall_readers(address: tuple[str, int], count: int) -> float:
    """Subscribers that never read: the longest tick that another client sees, s."""
    socks = []
    with plain_client(address) as client:
        client.call("set_episode_settings", SETTINGS)
        attributes = [["image_size_x", 2, "800"], ["image_size_y", 2, "600"]]
        camera, pose = [0, "sensor.camera.depth", attributes], [[0.0, 0.0, 30.0], [0.0] * 3]
        actor = unwrap(client.call("spawn_actor", camera, pose))
        streams = number_of(actor[-1]), world_stream(client)
        for i in range(count):
            socks.append(subscribe(address, streams[i % 2]))
            socks[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        longest_s = 0.0
        for _ in range(150):
            began = perf_counter()
            client.call("tick_cue")
            longest_s = max(longest_s, perf_counter() - began)
        unwrap(client.call("destroy_actor", actor[0]))
    for sock in socks:
        sock.close()
    return longest_s


def soak(amounts: Amounts, towns: Sequence[str]) -> list[Check]:
    """Everything after another on one server."""
    checks: list[Check] = []
    began = perf_counter()
    with EmbeddedServer("--town", towns[0]) as server:
        address = server.address
        with Ticker(address) as ticker:
            connect_and_leave(address, CYCLES_WARM_UP)
            spawn_and_destroy(address, 50)
            threads, before = server.threads(), server.rss_mb()
            connect_and_leave(address, amounts.cycles)
            checks.append(grows_at_most(f"{amounts.cycles} connections", before, server.rss_mb()))
            die_within_calls(address, amounts.deaths)
            checks.append(grows_at_most(f"{amounts.deaths} deaths", before, server.rss_mb()))
            made = spawn_and_destroy(address, amounts.spawns)
            checks.append(equal("spawned and destroyed", made, amounts.spawns))
            checks.append(grows_at_most("memory after them", before, server.rss_mb()))
            seen = ticker.finish()
            checks.append(at_most("longest tick beside", seen.get("longest_s", 99.0), 3.5, " s"))
        longest_s = stall_readers(address, amounts.readers)
        checks.append(
            at_most(
                f"longest tick, {amounts.readers} stalled readers", longest_s, STALL_LIMIT_S, " s"
            )
        )
        checks.append(at_most("threads left behind", server.threads() - threads, 4))
        load_maps(address, towns, min(LOADS_WARM_UP, amounts.loads))
        before = server.rss_mb()
        load_maps(address, towns, amounts.loads)
        checks.append(grows_at_most(f"{amounts.loads} map loads", before, server.rss_mb()))
        # The odd readers ask for the world's state, which is too small to fill their buffers.
        stalled = sum("takes no data" in line for line in server.log())
        wanted = (amounts.readers + 1) // 2
        checks.append(equal("stalled readers of images dropped", stalled, wanted))
        traces = sum("Traceback" in line for line in server.log())
        checks.append(equal("stack traces in the log", traces, 0))
        checks.append(equal("server lives", server.is_alive, True))
    checks.append(Check("time", f"{perf_counter() - began:.0f} s", "", True))
    return checks


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; the exit code is 1 if a check fails."""
    lenient_output()
    parser = argparse.ArgumentParser(prog="python -m harness.robustness.soak", description=__doc__)
    for name, default in Amounts()._asdict().items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--towns", nargs="+", default=["Town02", "Town01"])
    given = vars(parser.parse_args(arguments))
    towns = given.pop("towns")
    return conclude("soak", soak(Amounts(**given), towns))


if __name__ == "__main__":
    sys.exit(main())
