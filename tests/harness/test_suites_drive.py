"""A suite of several policies and thermal settings on the embedded server, as one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.run import main
from results.reading import read_rows
from tests.conftest import CarlaServer

pytestmark = pytest.mark.heavy

ROUTE = """<routes><route id="0" town="Town02"><waypoint x="177" y="-2" yaw="-180"/>
<waypoint x="165" y="-2" yaw="-180"/></route></routes>"""
SUITE = """
town: Town02
weather: fog
route_file: {file}
blocks:
  - {{policy: expert, arms: [rgb, max], thermal: [fog_ratio=0.1, "fog_ratio=0.5,noise=30"]}}
  - {{policy: constant, arms: [rgb]}}
"""


def drives(folder: Path) -> list[dict[str, Any]]:
    """Rows without what differs between equal drives."""
    rows = [row.to_dict() for row in read_rows(folder / "rows.jsonl")]
    return [{k: v for k, v in row.items() if not k.startswith("wall_")} for row in rows]


@pytest.mark.slow
def test_one_run_drives_what_plain_runs_drive_and_goes_on_where_it_stopped(
    carla_server: CarlaServer, tmp_path: Path
) -> None:
    file, suite = tmp_path / "r.xml", tmp_path / "mine.yaml"
    file.write_text(ROUTE, encoding="utf-8")
    suite.write_text(SUITE.format(file=file), encoding="utf-8")
    host, port = carla_server("Town02")
    server = ["--backend", "external", "--host", host, "--port", str(port), "--no-trace"]

    def run(out: str, *flags: str) -> list[dict[str, Any]]:
        assert main([*flags, *server, "--out", str(tmp_path / out)]) == 0
        return drives(tmp_path / out)

    once = run("suite", "--suite", str(suite), "--arms", "rgb")
    whole = run("suite", "--suite", str(suite))
    assert whole[: len(once)] == once
    assert [(row["policy"], row["arm"], row["thermal"]) for row in whole] == [
        ("expert", "rgb", ""), ("constant", "rgb", ""),
        ("expert", "max", "fog_ratio=0.1"), ("expert", "max", "fog_ratio=0.5,noise=30"),
    ]  # fmt: skip
    plain = [
        *run("a", "--route-file", str(file), "--weather", "fog", "--policy", "constant"),
        *run("b", "--route-file", str(file), "--weather", "fog", "--policy", "expert",
             "--arms", "max", "--thermal", "fog_ratio=0.5,noise=30"),
    ]  # fmt: skip
    assert plain == [whole[1], whole[3]]
