"""Command line: `python -m simulator.maps list`, `preview TOWN OUT.png` and `export`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simulator.maps.checks import MapError, check_opendrive
from simulator.maps.loading import available_towns, load_town, maps_cache, town_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "list":
            _list(arguments.maps)
        elif arguments.command == "export":
            _export(arguments.host, arguments.port, arguments.timeout)
        else:
            _preview(arguments.town, arguments.out, arguments.maps, arguments.scale)
    except MapError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator.maps", description=__doc__)
    parser.add_argument("--maps", type=Path, help="directory with official TownXX.xodr files")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show the towns that can be loaded")
    preview = commands.add_parser("preview", help="draw a town from above")
    preview.add_argument("town")
    preview.add_argument("out", type=Path)
    preview.add_argument("--scale", type=float, default=4.0, help="pixels per metre")
    export = commands.add_parser("export", help="keep a CARLA server's current map in the cache")
    export.add_argument("--host", default="localhost")
    export.add_argument("--port", type=int, default=2000)
    export.add_argument("--timeout", type=float, default=20.0, help="seconds")
    return parser


def _export(host: str, port: int, timeout_s: float) -> None:
    import carla

    client = carla.Client(host, port)
    client.set_timeout(timeout_s)
    try:
        current = client.get_world().get_map()
    except RuntimeError as err:
        raise MapError(f"no map from a CARLA server at {host}:{port}: {err}") from err
    path = maps_cache() / f"{town_name(current.name)}.xodr"
    xodr = current.to_opendrive()
    check_opendrive(xodr, f"map of {host}:{port}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(xodr, encoding="utf-8")
    print(path)


def _list(maps_dir: Path | None) -> None:
    for name in available_towns(maps_dir):
        town = load_town(name, maps_dir)
        print(
            f"{name}  {town.origin}:{town.digest}  spawn points {len(town.spawn_points)}, "
            f"traffic lights {len(town.signals)}"
        )


def _preview(name: str, out: Path, maps_dir: Path | None, scale: float) -> None:
    import cv2  # slow to import, and `list` does without

    from simulator.maps.preview import draw

    image = draw(load_town(name, maps_dir), scale)
    if not cv2.imwrite(str(out), image[:, :, ::-1]):
        raise MapError(f"{out}: cannot be written; give a path that ends in .png")


if __name__ == "__main__":
    sys.exit(main())
