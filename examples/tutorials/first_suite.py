"""A first suite: two fogs below a clear day, first as a plan, then driven; and an arm more.

python first_suite.py --routes 2 --out runs/first_suite
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import run

SUITE = """\
about: How much does dehazing help in thin and in thick fog, with a clear day as the ceiling?
defaults:             # what flags may change
  routes: 2
town: Town03          # what both blocks share
traffic: empty
seed: 0
blocks:               # each drives every combination of its weathers and arms
  - weather: clear
    arms: [rgb]       # the ceiling
  - weather: ["fog:100", "fog:40"]
    arms: [rgb, dehaze]
"""


def main() -> None:
    """Write the suite, plan and drive it, and then plan and drive it with one arm more."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", default="runs/first_suite")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    Path("first_suite.yaml").write_text(SUITE, encoding="utf-8")
    words = ["--suite", "first_suite.yaml", "--out", options.out, *further]
    for arms in ([], ["--arms", "rgb", "dehaze", "clahe"]):
        for last in (["--dry-run"], []):
            code = run.main([*words, *arms, *last])
            if code != 0:
                raise SystemExit(code)


if __name__ == "__main__":
    main()
