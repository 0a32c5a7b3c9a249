"""Two arms on the same routes, and each number of the tables of gains worked out again from rows.

python compare_arms.py --routes 8 --out runs/compare_arms
python compare_arms.py --rows FILE.parquet
"""

from __future__ import annotations

import argparse

from scipy.stats import binomtest

import results
from harness import run
from results.power import reach


def main() -> None:
    """Drive both arms, then say what their rows tell."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--routes", default="8")
    parser.add_argument("--out", default="runs/compare_arms")
    parser.add_argument("--rows", help="explain rows that are there, and drive nothing")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    if options.rows is None:
        words = ["--town", "Town03", "--weather", "fog", "--arms", "rgb", "dehaze"]
        code = run.main([*words, "--routes", options.routes, "--out", options.out, *further])
        if code != 0:
            raise SystemExit(code)
    explain(options.rows or options.out)


def explain(place: str) -> None:
    """Print intervals, the paired test and what so many routes can show."""
    rows = results.load(place)
    won = rows.assign(won=rows["outcome"] == "success")
    by_route = won.pivot(index="route_id", columns="arm", values="won")
    n = len(by_route)
    for arm in ("rgb", "dehaze"):
        hits = int(by_route[arm].sum())
        low, high = binomtest(hits, n).proportion_ci(method="wilson")
        print(f"{arm}: {hits} of {n} routes; Wilson 95 %: {100 * low:.0f} to {100 * high:.0f} %")
    saved = by_route.index[by_route["dehaze"] & ~by_route["rgb"]]
    harmed = by_route.index[by_route["rgb"] & ~by_route["dehaze"]]
    print(f"saved: {' '.join(saved) or 'none'}; harmed: {' '.join(harmed) or 'none'}")
    differ = len(saved) + len(harmed)
    p = binomtest(len(saved), differ).pvalue if differ else 1.0
    print(f"exact McNemar: {len(saved)} : {len(harmed)}, p = {p:.2g}")
    found = reach(n, len(saved), len(harmed))
    if found.detectable is None:
        print(f"detectable: nothing; too few routes ({n}) for any difference")
    else:
        print(
            f"detectable by {n} routes in four of five studies: {100 * found.detectable:.0f} points"
        )


if __name__ == "__main__":
    main()
