"""Every step of the container files, run outside of an engine: build, health checks, a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import results
from harness.probe import find_free_port
from tests.docker.container import Image, Mount, Service, build, compose, run

LIMIT_S = 2400.0  # for the first start, which compiles the kernels

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(5400)]


def can_make_roots() -> bool:
    """Whether this user may mount, and hand a process over to another user."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    if not can_make_roots():
        pytest.skip("mounts and users of other numbers need root on Linux")
    return build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def folders(image: Image) -> dict[str, Path]:
    """What a user mounts: a new volume for the cache, and a folder of the user's own."""
    runs = image.place("/mounted/runs")
    os.chown(runs, 1000, 1000)
    return {"cache": image.place("/cache"), "../runs": runs}


@pytest.fixture(scope="module")
def services(image: Image, folders: dict[str, Path]) -> Iterator[dict[str, Service]]:
    """The services of the embedded server's file, with the server healthy."""
    port = find_free_port()
    found = {
        name: Service(image, values, folders, port)
        for name, values in compose("embedded.yaml")["services"].items()
    }
    server = found["server"]
    assert not server.is_healthy(), "there is no server yet"
    process = server.start()
    try:
        until = time.monotonic() + LIMIT_S
        while not server.is_healthy():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "the server did not become healthy"
            time.sleep(2.0)
        yield found
    finally:
        process.terminate()
        process.communicate(timeout=60.0)


def test_the_image_has_the_package_and_no_compiler_was_asked_for(image: Image) -> None:
    place = image.place("/opt/fusiondrive")
    mounts = [Mount("ro", str(place), "/opt/fusiondrive")]
    done = run(image, ["fusiondrive", "--version"], mounts, user=image.user)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "0.1.0"
    assert list(place.glob("lib/python*/site-packages/policies/weights/*.onnx"))


def test_a_run_writes_its_rows_and_its_report_into_the_mounted_folder(
    services: dict[str, Service], folders: dict[str, Path]
) -> None:
    harness = services["harness"]
    words = [*harness.values["command"], "--routes", "1", "--report"]
    process = harness.start(*words)
    out, err = process.communicate(timeout=3000.0)
    assert process.returncode == 0, err
    assert "Closed-loop results" in out
    assert err.endswith("report: runs/embedded/report.html\n")
    rows = results.load(folders["../runs"] / "embedded")
    assert list(rows["outcome"].isin(["sim_error"])) == [False, False]
    assert (folders["../runs"] / "embedded/report.html").is_file()
    assert {path.stat().st_uid for path in folders["../runs"].rglob("*")} == {1000}


def test_kernels_are_kept_for_the_next_start(
    services: dict[str, Service], folders: dict[str, Path]
) -> None:
    assert services["server"].is_healthy()
    assert len([*folders["cache"].rglob("*.nbi")]) > 50


def test_no_other_place_can_be_written(services: dict[str, Service]) -> None:
    harness = services["harness"]
    places = ("/data/x", "/opt/fusiondrive/x", "/etc/x", "/x", "/data/runs/x", "/cache/x", "/tmp/x")
    script = "; ".join(f"touch {place} 2>/dev/null; echo $?" for place in places)
    harness.image.entrypoint, kept = [], harness.image.entrypoint
    try:
        out, _ = harness.start("sh", "-c", script).communicate(timeout=60.0)
    finally:
        harness.image.entrypoint = kept
    assert [code == "0" for code in out.split()] == [False] * 4 + [True] * 3
