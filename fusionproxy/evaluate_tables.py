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


def check_against(methods: Sequence[str], against: str) -> None:
    """Raise FusionError where the method to compare with is not going to be measured."""
    if against not in methods:
        raise FusionError(f"--against {against}: expected one of {', '.join(methods)}")


def paired_table(results: Sequence[Measured], against: str) -> str:
    """Differences to one method on the same pairs: mean, interval, pairs with the higher value."""
    base = next(result for result in results if result.method == against)
    titles = [title for title in base.values if title != "ms"]
    others = [result for result in results if result is not base]
    rows = [
        [other.method, *(_difference(other, base, title) for title in titles)] for other in others
    ]
    head = (
        f"### Minus {against}, on the same {len(base.pairs)} pairs\n\nMean difference, its 95 % "
        "bootstrap interval over pairs, and on how many pairs the method has the higher value. "
        "Frames of one video are not independent, so that intervals are rather too narrow.\n\n"
    )
    return head + markdown(["method", *titles], rows)


def _difference(result: Measured, base: Measured, title: str) -> str:
    pairs = zip(result.values[title], base.values[title], strict=True)
    differences = [mine - other for mine, other in pairs]
    known = [value for value in differences if value == value]
    if not known:
        return NOTHING
    higher = sum(value > 0.0 for value in known)
    return f"{summarise(differences).text()}, {higher} of {len(known)}"


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
