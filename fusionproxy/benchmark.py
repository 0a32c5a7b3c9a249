r"""Table 3 for this machine: speed of the students, and of the classical metrics.

    python -m fusionproxy.benchmark --out RESULTS
    python -m fusionproxy.benchmark --students cpu --runtimes openvino openvino-int8 \
        --sizes 640x480 --rounds 50
    python -m fusionproxy.benchmark --only metrics

Networks have random weights, which do not change their time. Everything of one size, the matrix
product that stands for the machine included, is timed in turn in one run, so that its ratios hold
on a busy machine, too. `--out` gets `speed.md` and `speed.json`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.files import check_folder, whole_file
from fusiondrive.provenance import source_commit
from fusionproxy.benchmark_metrics import metrics_table, time_metrics
from fusionproxy.config import PRESETS
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.evaluate_tables import markdown
from fusionproxy.pairs import parse_size
from fusionproxy.quality.summary import NOTHING
from fusionproxy.speed import COPY_MB, GEMM_SIDE, Timing

try:
    from fusionproxy.benchmark_students import (
        HARNESS_SIZE,
        RUNTIMES,
        Cell,
        Machine,
        Plan,
        benchmark_students,
        time_harness,
    )
except (ModuleNotFoundError, FusionError) as err:
    exit_without(err)

SIZES = ("320x240", "640x480", "1280x720")
RESULTS = ("speed.md", "speed.json")
# milliseconds of the `cpu` student at 640x480 on two cores
BARS_MS = {"openvino": 18.0, "openvino-int8": 13.0}
BAR_SHARE = 0.45  # of the matrix product, or the roofline says why not
BAR_HARNESS_MS = 8.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this command."""

    students: Annotated[tuple[str, ...], Flag("which", metavar="NAME")] = tuple(PRESETS)
    runtimes: Annotated[tuple[str, ...], Flag("which", metavar="NAME")] = RUNTIMES
    sizes: Annotated[tuple[str, ...], Flag("of the images", metavar="WIDTHxHEIGHT")] = SIZES
    rounds: Annotated[int, Flag("of everything in turn", at_least=1)] = 15
    threads: Annotated[int, Flag("of the networks", at_least=1)] = field(
        default_factory=lambda: os.cpu_count() or 1
    )
    only: Annotated[Literal["students", "metrics"] | None, Flag("one of the two parts")] = None
    out: Annotated[Path | None, Flag("folder for speed.md and speed.json")] = None

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)


def students_table(cells: Sequence[Cell], machine: Machine, plan: Plan) -> str:
    """Markdown of Table 3."""
    head = [
        "student", "M parameters", "GFLOP", "size", "runtime", "ms", "best ms", "CPU ms", "FPS",
        "product x", "% of product", "roofline ms",
    ]  # fmt: skip
    rows = [
        [
            c.student, f"{c.millions:.2f}", f"{c.gflop:.2f}", f"{c.width}x{c.height}", c.runtime,
            f"{c.timing.median:.1f}", f"{c.timing.best:.1f}", f"{c.timing.cpu:.1f}",
            f"{1000 / c.timing.median:.1f}", f"{c.gemm_ratio:.2f}", f"{100 * c.gemm_share:.0f}",
            NOTHING if c.least_ms is None else f"{c.least_ms:.1f}",
        ]
        for c in cells
    ]  # fmt: skip
    return (
        "### Table 3: speed of students\n\n"
        f"Random weights, batch 1, {plan.threads} threads, n = {plan.rounds} rounds in turn. ms: "
        "median of wall time; CPU ms: of all threads together. `product x`: median by that of a "
        f"float32 product of {GEMM_SIDE} (numpy, all cores), {machine.gflops:.0f} GFLOP/s at best; "
        "`% of product`: GFLOP/s of the network's best by those. Roofline: every layer as OpenVINO "
        f"runs it takes at least its sums at that rate or its bytes at {machine.gbytes:.0f} GB/s "
        f"(copies of {COPY_MB:g} MB, {plan.threads} threads). A share above 100 % means that "
        "numpy's product is not the machine's best.\n\n"
        f"{markdown(head, rows)}"
    )


def bars_table(cells: Sequence[Cell], harness: Timing | None) -> str:
    """What the `cpu` student should reach on two quiet cores, and did."""
    rows = []
    for cell in cells:
        if (cell.student, cell.width, cell.height) != ("cpu", 640, 480):
            continue
        if cell.runtime in BARS_MS:
            bar, found = BARS_MS[cell.runtime], cell.timing.median
            rows.append([f"cpu, {cell.runtime}, 640x480", f"{bar:g} ms", f"{found:.1f} ms"])
            rows[-1].append(_verdict(found <= bar))
        if cell.least_ms is not None:
            share = f"{100 * cell.gemm_share:.0f} %"
            why = f"at most {100 * cell.gemm_share * cell.timing.best / cell.least_ms:.0f} %"
            rows.append(["share of the product", f"{100 * BAR_SHARE:g} %", share])
            rows[-1].append(f"{_verdict(cell.gemm_share >= BAR_SHARE)}; by the roofline {why}")
    if harness is not None:
        width, height = HARNESS_SIZE
        name = f"cpu as the harness calls it, {width}x{height}"
        met = _verdict(harness.median <= BAR_HARNESS_MS)
        rows.append([name, f"{BAR_HARNESS_MS:g} ms", f"{harness.median:.1f} ms", met])
    return markdown(["bar", "at most / at least", "median", ""], rows) if rows else ""


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "missed"


def run(options: Options) -> tuple[list[str], dict[str, Any]]:
    """Tables as Markdown, and everything as JSON."""
    sizes = [parse_size("--sizes", text) for text in options.sizes]
    plan = Plan(options.students, options.runtimes, sizes, options.rounds, options.threads)
    tables, facts = [], {"commit": source_commit(), "rounds": plan.rounds, "threads": plan.threads}
    if options.only != "metrics":
        cells, machine = benchmark_students(plan, _say)
        harness = time_harness(plan) if "cpu" in plan.students else None
        tables += [students_table(cells, machine, plan), bars_table(cells, harness)]
        facts |= {"weights": "random", "machine": machine._asdict()}
        facts["students"] = [c._asdict() | {"timing": c.timing._asdict()} for c in cells]
        facts["harness"] = None if harness is None else harness._asdict()
    if options.only != "students":
        found = time_metrics(plan.rounds)
        tables.append(metrics_table(found))
        facts["metrics"] = {name: timing._asdict() for name, timing in found.items()}
    return [table for table in tables if table], facts


def _say(text: str) -> None:
    print(f"\r{text:60s}", end="", file=sys.stderr, flush=True)


def report(options: Options) -> str:
    """Measure and write; returns the tables."""
    if options.out is not None:
        check_folder(options.out, RESULTS, flag="--out")
    tables, facts = run(options)
    if options.out is not None:
        with whole_file(options.out / RESULTS[0]) as partial:
            partial.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
        with whole_file(options.out / RESULTS[1]) as partial:
            partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return "\n\n" + "\n\n".join(tables)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    return exit_code(lambda: report(parse(Options, arguments, "fusionproxy.benchmark", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
