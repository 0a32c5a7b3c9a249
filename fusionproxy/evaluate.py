r"""Tables of fusion methods on pairs: Table 1 (fusion quality) and Table 2 (frozen downstream).

    python -m fusionproxy.evaluate --pairs DIR --methods student average max laplacian \
        onnx:FILE torchscript:FILE folder:DDFM=OUTPUTS --out RESULTS

Without `--out` the tables are printed only. Table 2 is printed with --detector or --segmenter.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fusiondrive.cli import Flag, check_values, exit_code, parse
from fusiondrive.files import check_folder, whole_folder
from fusiondrive.provenance import source_commit
from fusionproxy.evaluate_tables import Measured, check_against, paired_table, table_1, table_2
from fusionproxy.methods import Method, make_methods, timed
from fusionproxy.pair_source import Pair, PairSource
from fusionproxy.pairs import PairOptions, parse_size
from fusionproxy.quality.downstream import Detection, FrozenOptions, Segmentation, downstream
from fusionproxy.quality.learned import Scorer, make_scorers
from fusionproxy.quality.registry import Chosen, choose, measure
from fusionproxy.quality.summary import summarise

logger = logging.getLogger(__name__)

MS = "ms"
RESULTS = ("tables.md", "about.json", "pairs.csv", "summary.csv")
DEFAULT_METHODS = ("visible", "average", "max", "laplacian", "student")


@dataclass(frozen=True, kw_only=True)
class ProtocolOptions(PairOptions, FrozenOptions):
    """Which pairs and how, for each command that measures."""

    pairs: Annotated[Path, Flag("folder of pairs")]
    limit: Annotated[int | None, Flag("the first so many pairs by name", at_least=1)] = None
    size: Annotated[str | None, Flag("resize both sources", metavar="WIDTHxHEIGHT")] = None
    learned: Annotated[tuple[str, ...], Flag("learned metrics", metavar="NAME[=FILE]")] = ()

    def __post_init__(self) -> None:
        """Check the options."""
        check_values(self)

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """The classical metrics."""
        return choose()


@dataclass(frozen=True, kw_only=True)
class MetricOptions(ProtocolOptions):
    """The same with a choice of the classical metrics."""

    metrics: Annotated[tuple[str, ...], Flag("by default all", metavar="NAME[:VARIANT]")] = ()
    convention: Annotated[str, Flag("cddfuse, linfeng-tang or vifb")] = "cddfuse"

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """The classical metrics."""
        return choose(self.metrics, self.convention)


@dataclass(frozen=True, kw_only=True)
class Options(MetricOptions):
    """Options of this command."""

    methods: Annotated[tuple[str, ...], Flag("which", metavar="METHOD")] = DEFAULT_METHODS
    against: Annotated[
        str | None, Flag("a table of differences to this method, pair by pair", metavar="METHOD")
    ] = None
    out: Annotated[Path | None, Flag("folder for tables, values and the data card")] = None


@dataclass(frozen=True)
class Protocol:
    """What is measured on which pairs."""

    size: tuple[int, int] | None = None  # width, height that both sources are resized to
    limit: int | None = None  # the first so many by name
    metrics: tuple[Chosen, ...] = field(default_factory=choose)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    detection: Detection | None = None
    segmentation: Segmentation | None = None

    def indices(self, source: PairSource) -> range:
        """Pairs that are used."""
        return range(len(source) if self.limit is None else min(self.limit, len(source)))

    def load(self, source: PairSource, index: int) -> Pair:
        """A pair at the size of the protocol."""
        pair = source.load(index)
        return pair if self.size is None else pair.resized(*self.size)


def evaluate(source: PairSource, methods: Sequence[Method], protocol: Protocol) -> list[Measured]:
    """Measure every method on every pair.

    Raises:
        FusionError: an output is missing, or a pair cannot be read or measured.
    """
    names = [source.names[i] for i in protocol.indices(source)]
    for method in methods:
        method.check(names)
    results = [Measured(method.name, method.source, names) for method in methods]
    tasks = [task for task in (protocol.detection, protocol.segmentation) if task is not None]
    for task in tasks:
        task.check(names)
    for index in protocol.indices(source):
        pair = protocol.load(source, index)
        for method, result in zip(methods, results, strict=True):
            if index == 0 and method.is_timed:
                method.fuse(pair)  # the first call compiles and allocates
            fused, elapsed_ms = timed(method, pair)
            values = {MS: elapsed_ms}
            values |= measure(fused, pair.infrared, pair.visible, protocol.metrics)
            values |= {title: scorer(fused) for title, scorer in protocol.scorers.items()}
            result.add(values)
            for task in tasks:
                task.add(method.name, pair.name, fused)
        logger.info("pair %s: %d methods", pair.name, len(methods))
    for result in results:
        for task in tasks:
            result.sets |= task.summaries(result.method)
    return results


def write_results(
    out: Path, results: Sequence[Measured], tables: Mapping[str, str], about: Mapping[str, object]
) -> None:
    """Write `tables.md`, `pairs.csv` (one row a method and pair), `summary.csv`, `about.json`."""
    (out / "tables.md").write_text(
        "\n\n".join(tables.values()) + "\n", encoding="utf-8", errors="backslashreplace"
    )
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    titles = list(results[0].values)
    with csv_writer(out / "pairs.csv") as writer:
        writer.writerow(["method", "pair", *titles])
        for result in results:
            for i, pair in enumerate(result.pairs):
                values = [result.values[title][i] for title in titles]
                writer.writerow([result.method, pair, *map(_cell, values)])
    with csv_writer(out / "summary.csv") as writer:
        writer.writerow(["method", "source", "metric", "n", "missing", "mean", "low", "high"])
        for result in results:
            found = {title: summarise(result.values[title]) for title in titles} | result.sets
            for title, item in found.items():
                row = [item.n, item.missing, *map(_cell, (item.mean, item.low, item.high))]
                writer.writerow([result.method, result.source, title, *row])


@contextmanager
def csv_writer(path: Path) -> Iterator[Any]:
    """Rows to a CSV file; a name of a file that is no text in this locale is escaped."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        yield csv.writer(file)


def _cell(value: float) -> str:
    return f"{value:.6f}" if math.isfinite(value) else ""


def protocol_of(options: ProtocolOptions) -> Protocol:
    """The protocol that options describe."""
    detection, segmentation = downstream(options)
    return Protocol(
        size=parse_size("--size", options.size) if options.size else None,
        limit=options.limit,
        metrics=options.chosen,
        scorers=make_scorers(options.learned),
        detection=detection,
        segmentation=segmentation,
    )


def show_pairs() -> None:
    """Let a line on standard error tell of each measured pair."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


def run(options: Options) -> str:
    """Measure and write as a command line says; returns the tables."""
    if options.out:
        check_folder(options.out, RESULTS, flag="--out")
    protocol = protocol_of(options)
    source = options.open_pairs(options.pairs)
    methods = make_methods(list(options.methods))
    if options.against is not None:
        check_against([method.name for method in methods], options.against)
    card = source.card()
    results = evaluate(source, methods, protocol)
    tables = {"1": table_1(results, card)}
    if options.against is not None:
        tables["against"] = paired_table(results, options.against)
    if protocol.detection or protocol.segmentation:
        tables["2"] = table_2(results)
    about = {
        "data": card,
        "used_pairs": results[0].pairs,
        "size": protocol.size,
        "metrics": [item.title for item in protocol.metrics],
        "methods": {result.method: result.source for result in results},
        "commit": source_commit(),
    }
    if options.out:
        with whole_folder(options.out) as partial:
            write_results(partial, results, tables, about)
    return "\n\n".join(tables.values())


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    show_pairs()
    return exit_code(lambda: run(parse(Options, arguments, "fusionproxy.evaluate", __doc__)))


if __name__ == "__main__":
    sys.exit(main())
