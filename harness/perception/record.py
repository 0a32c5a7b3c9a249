"""Record poses: the expert drives among traffic and hazards, and moments of it are kept."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fusiondrive.files import check_file, whole_file
from fusiondrive.provenance import source_commit
from harness.perception.poses import PoseSet, SetFacts, read_poses, write_poses
from harness.perception.record_options import RecordOptions, part_path
from harness.perception.recorder import work
from harness.supervision import supervise


def run(options: RecordOptions, words: list[str]) -> str | int:
    """Record a set; the same command goes on where it stopped.

    Args:
        options: of the command.
        words: the command line behind `record`, for the card.
    """
    check_file(options.out, "--out")
    command = shlex.join(["python", "-m", "harness.perception", "record", *words])
    about = {"command": command, "commit": source_commit()}
    code = supervise(work, (options,), lambda: _pieces(options))
    if code:
        return code
    made = join(options, about)
    said = made.summary()
    percent = 100.0 * said["share_needed"]
    return (
        f"{options.out}: {said['poses']} poses of {said['drives']} drives in {said['towns']} "
        f"towns, hash {made.digest}; {percent:.1f} % have a hazard or somebody to brake for"
    )


def card_path(out: Path) -> Path:
    """The card beside a set."""
    return out.with_suffix(".json")


def join(options: RecordOptions, about: Mapping[str, str]) -> PoseSet:
    """Put the parts together, write the card, and remove the parts.

    Args:
        options: of the command.
        about: what else the card says: command and commit.
    """
    parts = [part_path(options.out, town) for town in options.all_towns]
    sets = [read_poses(path) for path in parts]
    maps = {town: identity for part in sets for town, identity in part.facts.maps.items()}
    facts = SetFacts(sets[0].facts.look, maps, options.settings)
    poses = tuple(pose for part in sets for pose in part.poses)
    made = write_poses(poses, facts, options.out)
    card = {
        **about,
        "hash": made.digest,
        "bytes": options.out.stat().st_size,
        "version": facts.version,
        "look": facts.look,
        "maps": maps,
        **made.summary(),
    }
    with whole_file(card_path(options.out)) as draft:
        draft.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    for path in parts:
        path.unlink()
    with suppress(OSError):
        parts[0].parent.rmdir()
    return made


def _pieces(options: RecordOptions) -> int:
    return sum(part_path(options.out, town).is_file() for town in options.all_towns)
