"""`python -m simulator.maps download`, `list` and `preview`, against a server on this machine."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.maps import MapError
from simulator.maps import download as module
from simulator.maps.__main__ import main
from simulator.maps.loading import AUTHORED
from simulator.maps.opendrive import write_opendrive
from tests.pictures import read_bgr


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    for name in ("loading", "download", "__main__"):
        monkeypatch.setattr(f"simulator.maps.{name}.maps_cache", lambda: folder)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of CARLA with two towns, beside it an archive of one of them."""
    root = tmp_path_factory.mktemp("source")
    maps = root / module.RELEASE_DIR
    maps.mkdir(parents=True)
    for name in ("Town02", "Town03"):
        (maps / f"{name}.xodr").write_text(write_opendrive(AUTHORED[name]()))
    with tarfile.open(root / "maps.tar.gz", "w:gz") as archive:
        archive.add(maps / "Town02.xodr", "some-0.1/OpenDrive/Town02.xodr")
    return root


@pytest.fixture
def url(source: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(source))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_release_directory_fills_the_cache(cache: Path, source: Path, capsys) -> None:
    assert main(["download", "--from", str(source)]) == 0
    assert names(cache) == ["Town02.xodr", "Town03.xodr"]
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Town02") and "now in the cache" in line for line in lines)
    assert any(line.startswith("Town10HD") and "not there" in line for line in lines)


def test_a_folder_behind_a_url_fills_the_cache(cache: Path, url: str) -> None:
    assert main(["download", "Town03", "--from", f"{url}/{module.RELEASE_DIR}/"]) == 0
    assert names(cache) == ["Town03.xodr"]


def test_the_default_archive_is_pinned(cache: Path, source: Path, url: str, monkeypatch) -> None:
    digest = hashlib.sha256((source / "maps.tar.gz").read_bytes()).hexdigest()
    monkeypatch.setattr(module, "ARCHIVE_URL", f"{url}/maps.tar.gz")
    with pytest.raises(MapError, match=f"its SHA-256 is {digest}, expected 7de92865"):
        module.download()
    assert not cache.exists()
    monkeypatch.setattr(module, "ARCHIVE_SHA256", digest)
    assert [item.status for item in module.download(["Town02"])] == ["new"]


def test_another_file_in_the_cache_is_kept_until_it_may_be_replaced(
    cache: Path, source: Path
) -> None:
    cache.mkdir()
    mine = write_opendrive(AUTHORED["Town01"]())
    (cache / "Town02.xodr").write_text(mine)
    from_source = functools.partial(module.download, ["Town02"], str(source))
    assert from_source()[0].status == "kept"
    assert (cache / "Town02.xodr").read_text() == mine
    assert from_source(replaces=True)[0].status == "replaced"
    assert from_source()[0].status == "same"


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("http://127.0.0.1:9", "cannot be fetched: .*; without a network, give .* --from CARLA/"),
        ("ftp://example.org/maps", r"expected a directory or an http\(s\) URL"),
        ("no/such/folder", "no such directory"),
        ("{url}/nothing.tar.gz", "the server answers 404"),
        ("{url}/nothing", r"no Town02\.xodr there"),
    ],
)
def test_errors_say_what_to_do(cache: Path, url: str, capsys, origin: str, reason: str) -> None:
    assert main(["download", "Town02", "--from", origin.format(url=url)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    with pytest.raises(MapError, match=reason):
        module.download(["Town02"], origin.format(url=url))
    assert not cache.exists()


def test_a_broken_map_does_not_reach_the_cache(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "Town02.xodr").write_text("<OpenDRIVE/>")
    with pytest.raises(MapError, match=r"Town02\.xodr: no driving lanes"):
        module.download(["Town02"], str(tmp_path))
    assert not cache.exists()


def test_what_is_no_archive_is_refused(cache: Path, source: Path, url: str) -> None:
    (source / "fake.tar.gz").write_bytes(io.BytesIO(b"<html>Sign in</html>").getvalue())
    with pytest.raises(MapError, match="not a tar archive"):
        module.download(source=f"{url}/fake.tar.gz")


def test_list_shows_every_town_and_names_the_broken(cache: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "Town05.xodr").write_text("")
    assert main(["--maps", str(tmp_path), "list"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*sorted([*AUTHORED, "Town05"]), "random:SEED"]
    assert "cannot be used" in lines[3]


@pytest.mark.parametrize("name", [*sorted(AUTHORED), "random:7"])
def test_preview_draws_the_town(cache: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "town.png"
    assert main(["preview", name, str(out), "--scale", "1"]) == 0
    image = read_bgr(out)
    assert min(image.shape[:2]) > 200
    assert len({tuple(color) for color in image.reshape(-1, 3)}) > 6
