r"""Table 4 (ablation) or Table 7 (temperature): train what is missing, measure, print.

    python -m fusionproxy.evaluate_ablation --table 7 --ensemble CACHE --runs RUNS \
        --pairs DIR --out RESULTS -- --preset cpu-hour --steps 400

Each row is a run of `fusionproxy.train` in RUNS/ROW, with that row's `--ablation` and whatever
follows `--`. Finished runs are kept and others go on, so that the same command resumes. `--rows`
takes some rows only; those of Table 4's block A need caches of their own, each given by
ROW=CACHE after `--ensemble`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from fusiondrive.cli import Flag, configured, exit_code, parse
from fusiondrive.files import check_folder, whole_folder
from fusiondrive.provenance import source_commit
from fusionproxy import published as paper
from fusionproxy.errors import FusionError, exit_without
from fusionproxy.evaluate import (
    RESULTS,
    MetricOptions,
    evaluate,
    protocol_of,
    show_pairs,
    write_results,
)
from fusionproxy.evaluate_tables import MEASURED, PAPER_NAMES, PRINTED, Measured, markdown
from fusionproxy.methods import make_method
from fusionproxy.quality.summary import NOTHING

try:
    from fusionproxy.ablations import ABLATIONS, ablation
    from fusionproxy.place import find_place
    from fusionproxy.student import facts_of
    from fusionproxy.train import Options as TrainOptions
    from fusionproxy.train import config_of, parser
    from fusionproxy.trainer import TrainConfig, train
except (ModuleNotFoundError, FusionError) as err:
    exit_without(err)

TABLES = {table: tuple(row for row in ABLATIONS if row.startswith(table)) for table in ("4", "7")}


@dataclass(frozen=True, kw_only=True)
class Options(MetricOptions):
    """Options of this command; what follows `--` is of `fusionproxy.train`."""

    table: Annotated[str, Flag("of the paper", choices=tuple(sorted(TABLES)))]
    rows: Annotated[tuple[str, ...], Flag("of the table; by default all", metavar="ROW")] = ()
    ensemble: Annotated[tuple[str, ...], Flag("what is distilled", metavar="[ROW=]CACHE")]
    runs: Annotated[Path, Flag("folder of a run for each row")]
    out: Annotated[Path | None, Flag("folder for tables, values and the data card")] = None


def caches_of(given: Sequence[str], rows: Sequence[str]) -> dict[str, Path]:
    """The cache of each row: one for all, and others by `ROW=CACHE`.

    Raises:
        FusionError: a row has no cache, or a name is none of the rows.
    """
    own = dict(item.split("=", 1) for item in given if "=" in item)
    common = [item for item in given if "=" not in item]
    strange = sorted(set(own) - set(rows))
    if strange or len(common) > 1:
        found = strange[0] if strange else " ".join(common)
        raise FusionError(
            f"--ensemble: expected one CACHE, and ROW=CACHE of {', '.join(rows)}; found {found}"
        )
    missing = [row for row in rows if row not in own]
    if missing and not common:
        raise FusionError(f"--ensemble: no cache for {', '.join(missing)}")
    return {row: Path(own.get(row, *common)).expanduser() for row in rows}


def train_row(row: str, cache: Path, run: Path, flags: Sequence[str]) -> Path:
    """The student of a row; trained unless it is there.

    Raises:
        FusionError: the run that is there has other settings, or training fails.
    """
    line = ["--ensemble", str(cache), "--out", str(run), "--ablation", row, *flags]
    found = parser().parse_args(line)
    options = configured(TrainOptions, found)
    if (options.ensemble, options.out, options.ablation) != (str(cache), run, row):
        raise FusionError("after --: --ensemble, --out and --ablation are chosen for each row")
    config = config_of(found)
    student = run / "student.safetensors"
    if student.is_file():
        check_same(student, config)
    else:
        print(f"{row}: {ABLATIONS[row].title}", file=sys.stderr)
        train(config, run, resume=True, place=find_place(options.device))
    return student


def check_same(student: Path, config: TrainConfig) -> None:
    """Raise FusionError where a student was trained with other settings."""
    found, wanted = (
        settings(json.loads(facts_of(student)["train_config"])),
        settings(asdict(config)),
    )
    other = sorted(name for name in wanted if found.get(name) != wanted[name])
    if other:
        raise FusionError(
            f"{student} was trained with another {', '.join(other)}; choose other --runs, or the "
            "flags that it was trained with"
        )


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What changes a result; where the cache lies does not."""
    plain: dict[str, Any] = json.loads(json.dumps(config))
    plain.pop("data")
    return plain


def table(number: str, results: Mapping[str, Measured], data: str) -> str:
    """Measured rows, each with the paper's beside it."""
    first = next(iter(results.values()))
    printed = {name: dict(paper.ablated(name)) for name in results}
    mine = [title for title in first.values if title != "ms"]
    theirs = [c for c in next(iter(printed.values())) if c not in ("FPS", *mine)]
    columns = ["ms", *mine, *first.sets, *(c for c in theirs if c not in map(shown, first.sets))]
    rows = []
    for name, result in results.items():
        title = f"({name[1:]})" if number == "4" else f"tau = {name[2:]}"
        head = [title, ablation(name).title]
        rows.append([*head, MEASURED, str(len(result.pairs)), *map(result.text, columns)])
        values = (printed[name].get(shown(column)) for column in columns)
        cells = (NOTHING if value is None else f"{value:g}" for value in values)
        rows.append([*head, PRINTED, NOTHING, *cells])
    about = (
        f"### Table {number}\n\nMeasured on {len(first.pairs)} pairs (data {data}): mean and 95 % "
        f"bootstrap interval over pairs; one training of each row. Published: {paper.PAPER}, MSRS, "
        "its own sizes of student, ensemble and training.\n\n"
    )
    return about + markdown(["row", "variant", "source", "n", *columns], rows)


def shown(column: str) -> str:
    """What the paper calls a column."""
    return PAPER_NAMES.get(column, column)


def run(options: Options, flags: Sequence[str]) -> str:
    """Train, measure and write as a command line says; returns the table."""
    check_folder(options.runs, flag="--runs")
    if options.out:
        check_folder(options.out, RESULTS, flag="--out")
    known = TABLES[options.table]
    rows = list(options.rows or known)
    strange = [row for row in rows if row not in known]
    if strange:
        raise FusionError(f"--rows: {strange[0]} is none of {', '.join(known)}")
    caches = caches_of(options.ensemble, rows)
    protocol = protocol_of(options)
    source = options.open_pairs(options.pairs)
    card = source.card()
    students = {row: train_row(row, caches[row], options.runs / row, flags) for row in rows}
    methods = [make_method(f"student:{row}={path}") for row, path in students.items()]
    results = dict(zip(rows, evaluate(source, methods, protocol), strict=True))
    text = table(options.table, results, str(card["sha256_12"]))
    about = {
        "data": card,
        "used_pairs": results[rows[0]].pairs,
        "size": protocol.size,
        "train": list(flags),
        "students": {row: result.source for row, result in results.items()},
        "commit": source_commit(),
    }
    if options.out:
        with whole_folder(options.out) as partial:
            write_results(partial, list(results.values()), {"table": text}, about)
    return text


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    cut = line.index("--") if "--" in line else len(line)
    show_pairs()
    module = "fusionproxy.evaluate_ablation"
    return exit_code(
        lambda: run(parse(Options, line[:cut], module, __doc__), line[cut + 1 :]),
        "stopped; the same command goes on",
    )


if __name__ == "__main__":
    sys.exit(main())
