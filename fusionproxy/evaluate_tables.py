"""Markdown of Tables 1 and 2: what was measured, and beside it what the paper prints."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fusionproxy import published as paper
from fusionproxy.errors import FusionError
from fusionproxy.quality.summary import NOTHING, Summary, summarise

MEASURED, PRINTED = "measured", "published"
SETS = ("mAP50", "mAP50-95", "mIoU")  # percent, of a whole set of images
PAPER_NAMES = {"mAP50": "mAP"}  # the paper does not say at which IoU; its level fits 0.5


@dataclass
class Measured:
    """Values of one method on all pairs."""

    method: str
    source: str
    pairs: Sequence[str]
    values: dict[str, list[float]] = field(default_factory=dict)  # column title to value by pair
    sets: dict[str, Summary] = field(default_factory=dict)

    def add(self, values: Mapping[str, float]) -> None:
        """Append the values of the next pair."""
        for title, value in values.items():
            self.values.setdefault(title, []).append(value)

    @property
    def labelled(self) -> int:
        """Images that a frozen model was scored on."""
        return max((item.n for item in self.sets.values()), default=0)

    def text(self, title: str) -> str:
        """Cell of a column."""
        if title in self.sets:
            return self.sets[title].text(digits=3)
        if title == "ms":
            return self._time(lambda ms: ms)
        if title == "FPS":
            return self._time(lambda ms: 1000 / ms)
        return summarise(self.values[title]).text() if title in self.values else NOTHING

    def _time(self, of: Callable[[float], float]) -> str:
        """Median over pairs; a folder of outputs has no time."""
        times = [value for value in self.values.get("ms", ()) if value == value]
        return f"{of(statistics.median(times)):.1f}" if times else NOTHING


def table_1(results: Sequence[Measured], card: Mapping[str, object]) -> str:
    """Fusion quality: measured rows, then the paper's methods, each with its published row."""
    measured = {result.method: result for result in results}
    titles = [title for title in results[0].values if title != "ms"]
    learned = [title for title in ("MUSIQ", "CLIP-IQA", "DeQA") if title not in titles]
    sets = [title for title in SETS if title not in results[0].sets]
    columns = ["ms", "FPS", *learned, *titles, *results[0].sets, *sets]
    rows = [
        [name, MEASURED, str(len(result.pairs)), *(result.text(c) for c in columns)]
        for name, result in measured.items()
        if name not in paper.PAPER_METHODS
    ]
    for name in (*paper.PAPER_METHODS, paper.OURS):
        if name in measured:
            found = measured[name]
            rows.append([name, MEASURED, str(len(found.pairs)), *(found.text(c) for c in columns)])
        elif name != paper.OURS:
            rows.append([name, "no outputs given", "0", *(NOTHING for _ in columns)])
        rows.append([name, PRINTED, NOTHING, *(_printed(name, c) for c in columns)])
    head = (
        f"### Table 1: fusion quality\n\nMeasured on {len(results[0].pairs)} pairs (data "
        f"{card['sha256_12']}, layout {card['layout']}): mean and 95 % bootstrap interval over "
        "pairs; the variant of each metric is in its column's title. ms and FPS: median on this "
        f"machine. Published rows: {paper.PAPER}, MSRS, its own hardware and unnamed variants, so "
        "they cannot be compared with the measured ones digit by digit (its MI near 12 cannot "
        "come from 8-bit images).\n\n"
    )
    return head + markdown(["method", "source", "n", *columns], rows)


def _printed(method: str, column: str) -> str:
    name = column.partition(":")[0]
    value = paper.published(method, PAPER_NAMES.get(name, name))
    return NOTHING if value is None else f"{value:g}"


def check_peers(titles: Sequence[str]) -> None:
    """Raise FusionError where a column of the peers' table is not going to be measured."""
    columns = paper.COLUMNS_PEERS[2:]
    missing = [title for title in columns if title not in titles]
    if missing:
        raise FusionError(f"--peers needs --metrics {' '.join(columns)}; {missing[0]} is missing")


def peers_table(results: Sequence[Measured]) -> str:
    """Measured rows beside those of peers on ten other RoadScene pairs, in the same variants."""
    columns = paper.COLUMNS_PEERS[2:]
    rows = [
        [r.method, MEASURED, str(len(r.pairs)), NOTHING, r.text("ms"), *map(r.text, columns)]
        for r in results
    ]
    for name, values in paper.PEERS.items():
        rows.append([name, "reference", "10", *(f"{value:g}" for value in values)])
    head = (
        "### Peers\n\nReference rows: ten RoadScene pairs at 640 x 480, eager fp32, 2 threads; "
        "which ten is not recorded, so compare differences to `average` and `max`, not digits.\n\n"
    )
    return head + markdown(["method", "source", "n", *paper.COLUMNS_PEERS], rows)


def table_2(results: Sequence[Measured]) -> str:
    """Frozen downstream models on the visible and on the fused images."""
    rows = [
        [r.method, MEASURED, str(r.labelled), *(r.text(title) for title in SETS)] for r in results
    ]
    for name, row in paper.TABLE_2.items():
        rows.append([name, PRINTED, NOTHING, f"{row.map:g}", NOTHING, f"{row.miou:g}"])
    head = (
        "### Table 2: input to the frozen model\n\nmAP and mIoU in percent with 95 % bootstrap "
        f"intervals over images. Published rows: {paper.PAPER}, YOLOv8 on M3FD and SegFormer-B2 on "
        "MSRS: other models and images than ours. Its mAP is 76.5 in "
        "Table 1, and at which IoU is not said (shown under mAP50).\n\n"
    )
    return head + markdown(["input", "source", "n", *SETS], rows)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
