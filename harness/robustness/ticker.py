"""A bystander: a real client that ticks and takes pictures until its standard input ends.

`python -m harness.robustness.ticker HOST PORT` prints one JSON line: ticks, images, longest tick.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from time import perf_counter, sleep
from types import TracebackType
from typing import Any

import carla

from fusiondrive.text import lenient_output
from harness import launch

DELTA_S = 0.05
PAUSE_S = 0.005  # leaves the processor to those who are under test
WAIT_S = 60.0


def tick_until(stop: threading.Event, host: str, port: int) -> dict[str, Any]:
    """Tick in synchronous mode with a small camera."""
    client = carla.Client(host, port, 4)
    client.set_timeout(WAIT_S)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, DELTA_S
    world.apply_settings(settings)
    blueprint = world.get_blueprint_library().find("sensor.camera.depth")
    blueprint.set_attribute("image_size_x", "64")
    blueprint.set_attribute("image_size_y", "48")
    camera = world.spawn_actor(blueprint, carla.Transform(carla.Location(z=10.0)))
    images: list[int] = []
    camera.listen(lambda image: images.append(image.frame))
    print("ready", flush=True)
    ticks, longest_s = 0, 0.0
    while not stop.is_set():
        began = perf_counter()
        world.tick(WAIT_S)
        longest_s = max(longest_s, perf_counter() - began)
        ticks += 1
        sleep(PAUSE_S)
    camera.stop()
    return {"ticks": ticks, "images": len(images), "longest_s": longest_s}


class Ticker:
    """The bystander as a process."""

    def __init__(self, address: tuple[str, int]) -> None:
        command = launch.command("harness.robustness.ticker", address[0], str(address[1]))
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        assert self._process.stdout is not None  # it is a pipe
        self._process.stdout.readline()  # "ready"

    @property
    def is_alive(self) -> bool:
        """Whether it still ticks."""
        return self._process.poll() is None

    def finish(self) -> dict[str, Any]:
        """Let it end; what it counted, nothing if it crashed."""
        try:
            out, _ = self._process.communicate("", timeout=2.0 * WAIT_S)
        except subprocess.TimeoutExpired:
            return {}
        return dict(json.loads(out)) if self._process.returncode == 0 else {}

    def __enter__(self) -> Ticker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_alive:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def main() -> int:
    """Run until standard input ends."""
    lenient_output()
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    print(json.dumps(tick_until(stop, sys.argv[1], int(sys.argv[2]))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
