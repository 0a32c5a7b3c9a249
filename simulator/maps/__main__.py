"""Command line: `python -m simulator.maps list | export | download | preview`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simulator.maps.checks import MapError, check_opendrive
from simulator.maps.download import ARCHIVE_URL, RELEASE_DIR, TOWNS, download, write_map
from simulator.maps.loading import available_towns, load_town, maps_cache, town_name
from simulator.system.commands import lenient_output, user_path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    lenient_output()
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "list":
            return _list(arguments.maps)
        elif arguments.command == "export":
            _export(arguments.host, arguments.port, arguments.timeout)
        elif arguments.command == "download":
            _download(arguments.towns, arguments.source, replaces=arguments.replace)
        else:
            _preview(arguments.town, arguments.out, arguments.maps, arguments.scale)
    except MapError as err:
        print(f"error: {err}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator.maps", description=__doc__)
    parser.add_argument("--maps", type=user_path, help="directory with official TownXX.xodr files")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show the towns that can be loaded")
    preview = commands.add_parser("preview", help="draw a town from above")
    preview.add_argument("town")
    preview.add_argument("out", type=user_path)
    preview.add_argument("--scale", type=float, default=4.0, help="pixels per metre")
    fetch = commands.add_parser("download", help="fetch CARLA's own maps into the cache")
    fetch.add_argument("towns", nargs="*", metavar="TOWN", help=f"default: {', '.join(TOWNS)}")
    fetch.add_argument(
        "--from",
        dest="source",
        metavar="DIR|URL",
        help=f"a CARLA release or its {RELEASE_DIR}, or the URL of such a folder or of a tar "
        f"archive; default: {ARCHIVE_URL} (the towns of 2019, which have no traffic lights)",
    )
    fetch.add_argument("--replace", action="store_true", help="replace other files in the cache")
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
    write_map(path, xodr.encode())
    print(path)


_STATUS = {
    "new": "now in the cache",
    "replaced": "replaced the file in the cache",
    "same": "was in the cache already",
    "kept": "not taken: the cache has another file; --replace takes it",
    "absent": "not there",
}


def _download(towns: Sequence[str], source: str | None, *, replaces: bool) -> None:
    for found in download([town_name(town) for town in towns], source, replaces=replaces):
        print(f"{found.town}  {found.digest or '-' * 12}  {_STATUS[found.status]}")
    print(f"{maps_cache()}: maps in it are used before the authored ones of the same name")


def _list(maps_dir: Path | None) -> int:
    status = 0
    for name in available_towns(maps_dir):
        try:
            town = load_town(name, maps_dir)
        except MapError as err:
            print(f"{name}  cannot be used: {err}")
            status = 2
            continue
        print(
            f"{name}  {town.origin}:{town.digest}  spawn points {len(town.spawn_points)}, "
            f"traffic lights {len(town.signals)}"
        )
    print("random:SEED  made from a seed, such as random:7")
    return status


def _preview(name: str, out: Path, maps_dir: Path | None, scale: float) -> None:
    import cv2  # slow to import, and `list` does without

    from simulator.maps.preview import draw

    image = draw(load_town(name, maps_dir), scale)
    if not cv2.imwrite(str(out), image[:, :, ::-1]):
        raise MapError(f"{out}: cannot be written; give a path that ends in .png")


if __name__ == "__main__":
    sys.exit(main())
