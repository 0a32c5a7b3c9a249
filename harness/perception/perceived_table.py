"""Tables of what frozen perception finds in every arm's images of the same poses."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.perception.perceived import Estimate, Seen, measure
from perceivers.average_precision import BINS_M, MATCH
from perceivers.kinds import KINDS, SEGMENTS
from results.counterfactual_table import PRIVILEGED
from results.grid import Table

NOTE = (
    "Detector and segmenter saw clear-day pictures alone and are frozen. Average precision at IoU "
    f"{MATCH:g} in percent; mIoU: mean over all classes but `other`. [...]: 95 % by bootstrap over "
    "{cluster}s; against rgb: points on the same pictures. Who is less than 6 px high, or of "
    "whom less than a fifth is in sight, is not asked for; whom only fog or darkness hides is."
)


def perceived_tables(frame: pd.DataFrame, cluster: str) -> list[Table]:
    """Precision and mIoU with gains; precision by distance; IoU by class.

    Args:
        frame: rows of `perceived`, the clear day's among them.
        cluster: what the intervals resample.

    Raises:
        ConfigError: arms cannot be compared, see `measure`.
    """
    found = measure(frame, cluster)
    return [_main(frame, found, cluster), _by_distance(found), _by_class(found)]


def _main(frame: pd.DataFrame, found: Sequence[Seen], cluster: str) -> Table:
    kinds = [text for kind in KINDS for text in (f"AP {kind}", "against rgb")]
    header = ("level", "arm", "pictures", *kinds, "mIoU", "against rgb")
    body = tuple(
        (
            item.setting.level,
            item.arm,
            str(item.pictures),
            *(
                text
                for kind in KINDS
                for text in (_value(item.ap[kind]), _gain(item.ap_gain.get(kind)))
            ),
            _value(item.miou),
            _gain(item.miou_gain),
        )
        for item in found
    )
    return Table("Frozen perception on the same poses", header, body, _notes(frame, found, cluster))


def _by_distance(found: Sequence[Seen]) -> Table:
    spans = [(kind, span) for kind in KINDS for span in BINS_M]
    header = ("level", "arm", *(f"{kind} {low:g}-{high:g} m" for kind, (low, high) in spans))
    body = []
    for item in found:
        cells = [_share(item.ap_by_distance[key], item.asked[key]) for key in spans]
        body.append((item.setting.level, item.arm, *cells))
    note = "Average precision in percent (how many were asked for)."
    return Table("Average precision by distance", header, tuple(body), (note,))


def _by_class(found: Sequence[Seen]) -> Table:
    header = ("level", "arm", *SEGMENTS)
    body = tuple(
        (item.setting.level, item.arm, *(_percent(item.iou[name]) for name in SEGMENTS))
        for item in found
    )
    return Table("IoU by class", header, body, ("In percent, over all pixels.",))


def _notes(frame: pd.DataFrame, found: Sequence[Seen], cluster: str) -> tuple[str, ...]:
    asked = found[0].asked
    counts = ", ".join(f"{asked[kind, None]} {kind}s" for kind in KINDS)
    sets = ", ".join(sorted(set(frame["pose_set"])))
    weights = ", ".join(sorted(set(frame["detector_weights"])))
    notes = [
        NOTE.format(cluster=cluster),
        f"Asked for a level: {counts}. Pose set {sets}, {frame[cluster].nunique()} {cluster}s; "
        f"detector {weights}.",
    ]
    thermal = dict.fromkeys(text for text in frame["thermal"] if text)
    if thermal:
        notes.append(f"{PRIVILEGED} Settings: {'; '.join(thermal)}.")
    return tuple(notes)


def _value(item: Estimate) -> str:
    if item.value is None:
        return ""
    text = f"{100.0 * item.value:.0f}"
    if item.interval is None:
        return text
    return f"{text} [{100.0 * item.interval.low:.0f}, {100.0 * item.interval.high:.0f}]"


def _gain(item: Estimate | None) -> str:
    if item is None or item.value is None:
        return ""
    text = f"{100.0 * item.value:+.0f}"
    if item.interval is None:
        return text
    return f"{text} [{100.0 * item.interval.low:+.0f}, {100.0 * item.interval.high:+.0f}]"


def _share(value: float | None, n: int) -> str:
    return "" if value is None else f"{100.0 * value:.0f} (of {n})"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100.0 * value:.0f}"
