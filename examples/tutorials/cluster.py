"""One small run by each engine: this machine, Ray, SLURM's jobs; and whether their rows are equal.

python cluster.py --routes 2 --workers 2 --out runs/cluster
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fusiondrive.paths import user_path
from harness import run

ENGINES = {
    "local": ["--engine", "local"],
    "ray": ["--engine", "ray"],  # starts a Ray cluster of this machine alone
    "slurm": ["--engine", "slurm", "--slurm-cluster", "local"],  # jobs as processes, no SLURM
}


def main() -> None:
    """Drive the same episodes with each engine, and compare what they wrote."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--routes", default="2")
    parser.add_argument("--out", type=user_path, default=Path("runs/cluster"))
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    for engine, words in ENGINES.items():
        scene = ["--town", "Town03", "--weather", "fog:40", "--arms", "rgb", "dehaze"]
        where = ["--routes", options.routes, "--out", str(options.out / engine)]
        code = run.main([*words, *scene, *where, *further])
        if code != 0:
            raise SystemExit(code)
    wanted = rows_of(options.out / "local")
    for engine in ENGINES:
        found = rows_of(options.out / engine)
        same = "the same bytes in the same order" if found == wanted else "NOT those of local"
        print(f"{engine}: {len(found)} rows, wall clock aside {same}")


def rows_of(folder: Path) -> list[str]:
    """The lines of a run's rows without the columns that a clock on the wall decides."""
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [json.dumps({k: v for k, v in r.items() if not k.startswith("wall_")}) for r in rows]


if __name__ == "__main__":
    main()
