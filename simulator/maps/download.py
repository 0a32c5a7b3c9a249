"""Fetches CARLA's own OpenDRIVE files into the user's cache.

CARLA's main repository holds no maps. The files are in every release of CARLA (`RELEASE_DIR` below
its root) and, as of 2019 and without traffic lights, in a repository for its parser's tests.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import logging
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from simulator.maps.checks import MapError
from simulator.maps.encoding import decode_xml
from simulator.maps.loading import build_town, maps_cache

logger = logging.getLogger(__name__)

TOWNS = ("Town01", "Town02", "Town03", "Town04", "Town05", "Town06", "Town07", "Town10HD")
RELEASE_DIR = "CarlaUE4/Content/Carla/Maps/OpenDrive"
ARCHIVE_URL = "https://github.com/carla-simulator/opendrive-test-files/archive/0.1.4.tar.gz"
ARCHIVE_SHA256 = "7de92865a9d945e802e54850302fc797148e24536f3d6410b0032bd608ca24b8"
TIMEOUT_S = 30.0
MAX_MAP_BYTES = 64 * 2**20
MAX_ARCHIVE_BYTES = 256 * 2**20
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_INSTEAD = (
    f"without a network, give the maps of a CARLA release with --from CARLA/{RELEASE_DIR}, "
    "or run `python -m simulator.maps export` beside a running CARLA server"
)

Fetch = Callable[[str], bytes | None]  # a town's name to the bytes of its file


class Fetched(NamedTuple):
    """What became of one town."""

    town: str
    status: str  # new | replaced | same | kept | absent
    digest: str = ""  # of the map as it is served, as rows name it


def download(
    towns: Sequence[str] = (), source: str | None = None, *, replaces: bool = False
) -> list[Fetched]:
    """Put towns' files into the cache, each only after it was read as a map.

    Args:
        towns: names; all that the source has if none are given.
        source: a directory, the URL of a directory or of a tar archive; CARLA's test files if None.
        replaces: whether a file of another content in the cache gives way.

    Raises:
        MapError: no connection, a wrong checksum, a named town that the source lacks, a bad map.
    """
    fetch = _source(source)
    found = [_keep(town, fetch(town), replaces=replaces) for town in towns or TOWNS]
    absent = [item.town for item in found if item.status == "absent"]
    if absent and (towns or len(absent) == len(found)):
        raise MapError(f"{source or ARCHIVE_URL}: no {'.xodr, '.join(absent)}.xodr there")
    return found


def _source(source: str | None) -> Fetch:
    if source is None:
        return _archive(ARCHIVE_URL, ARCHIVE_SHA256)
    if "://" not in source:
        return _directory(Path(source).expanduser())
    if not source.startswith(("http://", "https://")):
        raise MapError(f"--from {source}: expected a directory or an http(s) URL")
    if source.endswith(_ARCHIVES):
        return _archive(source, None)
    return lambda town: _get(f"{source.rstrip('/')}/{town}.xodr", MAX_MAP_BYTES, may_lack=True)


def _directory(folder: Path) -> Fetch:
    """Files of a folder, or of a CARLA release whose root it is."""
    if not folder.is_dir():
        raise MapError(f"--from {folder}: no such directory")
    inner = folder / RELEASE_DIR
    base = inner if inner.is_dir() else folder

    def fetch(town: str) -> bytes | None:
        path = base / f"{town}.xodr"
        try:
            return path.read_bytes() if path.is_file() else None
        except OSError as err:
            raise MapError(f"{path}: cannot be read: {err.strerror or err}") from err

    return fetch


def _archive(url: str, sha256: str | None) -> Fetch:
    """Files of a tar archive, whatever folder of it they are in."""
    content = _get(url, MAX_ARCHIVE_BYTES)
    assert content is not None  # it may not be lacking
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise MapError(f"{url}: its SHA-256 is {found}, expected {sha256}; nothing was kept")
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = {
                PurePosixPath(item.name).stem: _member(archive, item)
                for item in archive
                if item.isfile() and PurePosixPath(item.name).suffix == ".xodr"
            }
    except (tarfile.TarError, OSError, EOFError) as err:
        raise MapError(f"{url}: not a tar archive: {err}") from err
    return members.get


def _member(archive: tarfile.TarFile, item: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(item)
    assert file is not None  # only regular files are asked for
    return file.read(MAX_MAP_BYTES)


def _get(url: str, limit: int, *, may_lack: bool = False) -> bytes | None:
    logger.info("fetching %s", url)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(limit + 1)
    except urllib.error.HTTPError as err:
        if may_lack and err.code == http.client.NOT_FOUND:
            return None
        raise MapError(f"{url}: the server answers {err.code} {err.reason}; {_INSTEAD}") from err
    except (OSError, http.client.HTTPException, ValueError) as err:
        reason = getattr(err, "reason", None) or err
        raise MapError(f"{url}: cannot be fetched: {reason}; {_INSTEAD}") from err
    if len(content) > limit:
        raise MapError(f"{url}: larger than {limit // 2**20} MB, so it is not what it should be")
    return content


def _keep(town: str, content: bytes | None, *, replaces: bool) -> Fetched:
    if content is None:
        return Fetched(town, "absent")
    text = decode_xml(content, f"{town}.xodr")
    digest = build_town(town, "carla", text, f"{town}.xodr").digest
    path = maps_cache() / f"{town}.xodr"
    was_there = path.is_file()
    if was_there and path.read_bytes() == content:
        return Fetched(town, "same", digest)
    if was_there and not replaces:
        return Fetched(town, "kept", digest)
    write_map(path, content)
    return Fetched(town, "replaced" if was_there else "new", digest)


def write_map(path: Path, content: bytes) -> None:
    """Write a file so that a server which reads it meanwhile never sees half of it.

    Raises:
        MapError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as err:
        raise MapError(f"{path}: cannot be written: {err.strerror or err}") from err
