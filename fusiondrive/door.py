"""The console script `fusiondrive`: every command of the project behind one door.

`fusiondrive run ...` does what `python -m harness.run ...` does, by the same code.
"""

from __future__ import annotations

import difflib
import runpy
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fusiondrive.cli import EXIT_ERROR


class Command(NamedTuple):
    """A command: the module that is run, and what it does in one line."""

    module: str
    help: str


GROUPS: Mapping[str, Mapping[str, Command]] = {
    "drive": {
        "run": Command("harness.run", "drive routes, judge them, print the table"),
        "doctor": Command("harness.doctor", "what this machine or a server lacks, and what to do"),
        "prove": Command("harness.prove", "drive a sample of rows again: do they still hold?"),
        "replay": Command("harness.replay", "drive an episode of a run again, and prove it equal"),
    },
    "report": {
        "table": Command("results", "tables of the rows of one or several runs"),
        "report": Command("harness.report", "one HTML file with plots and a browser of failures"),
        "export": Command("harness.export", "an episode of a run as .rrd (Rerun) or .mcap"),
        "track-tests": Command("harness.track", "emergency braking after Euro NCAP and FMVSS 127"),
        "hazard-sheet": Command(
            "harness.hazard_sheet", "every hazard at its moments on one picture"
        ),
        "arm-sheet": Command("harness.arm_sheet", "hazards in weathers as each arm sees them"),
        "track-table": Command("results.track_command", "track tests: one curve an arm, gains"),
        "track-sheet": Command(
            "harness.track.sheet", "all track tests and weathers on one picture"
        ),
        "contact-sheet": Command("harness.contact_sheet", "all towns and weathers on one picture"),
    },
    "simulate": {
        "server": Command("simulator", "the embedded CARLA server"),
        "maps": Command("simulator.maps", "look at, check or fetch town maps"),
        "ping": Command("harness.ping", "whether a server answers, and which version"),
    },
    "data": {
        "routes": Command("scenarios.generate", "ready-made routes of a map"),
        "collect": Command("policies.training.collect", "record the expert's drives"),
        "capture": Command("harness.capture", "record visible, thermal, clear-day images"),
        "pairs": Command("fusionproxy.pairs", "look at a set of infrared/visible pairs"),
        "ensemble": Command("fusionproxy.ensemble", "samples of the diffusion teachers"),
        "ensemble-pictures": Command("fusionproxy.ensemble.pictures", "what the teachers made"),
    },
    "train": {
        "policy": Command("policies.training.train", "CILRS on recorded drives"),
        "export-policy": Command("policies.training.export", "ONNX and card of a policy"),
        "detector": Command("perceivers.training", "the frozen detector: frames, weights, sheet"),
        "teacher": Command("fusionproxy.teachers.train", "a diffusion teacher on pairs"),
        "student": Command("fusionproxy.train", "a fusion student, distilled or oracle"),
        "export-student": Command("fusionproxy.export", "ONNX, OpenVINO, int8 and card"),
    },
    "fuse": {
        "fuse": Command("fusionproxy.fuse", "fuse pairs, images or videos with a student"),
    },
    "measure": {
        "perception": Command("harness.perception", "policies and perception on recorded poses"),
        "detectability": Command("harness.detectability", "who is visible at what distance"),
        "fusion": Command("fusionproxy.evaluate", "fusion metrics and downstream tasks"),
        "ablation": Command("fusionproxy.evaluate_ablation", "Tables 4 and 7 of the paper"),
        "misalignment": Command("fusionproxy.evaluate_misalignment", "Table 6 of the paper"),
        "fusion-speed": Command("fusionproxy.benchmark", "milliseconds of students and metrics"),
        "short-drives": Command("policies.training.short_drives", "weights by short drives"),
        "policy-speed": Command("policies.speed", "milliseconds of a policy"),
        "step-speed": Command("harness.benchmark", "milliseconds of a closed-loop step"),
        "tick-speed": Command("simulator.benchmarks.tick", "milliseconds of a server's tick"),
        "picture-speed": Command("simulator.benchmarks.render", "milliseconds of a picture"),
        "ray-speed": Command("simulator.benchmarks.raycast", "milliseconds of lidar rays"),
        "benchmark-check": Command(
            "harness.benchmark_check", "whether a frozen benchmark is here as it was frozen"
        ),
        "noise-floor": Command("harness.noise_floor", "one arm against itself: how often it flips"),
        "determinism": Command("harness.robustness.determinism", "same seed, same bytes"),
        "fuzz": Command("harness.robustness.fuzz", "random bytes against a server"),
        "soak": Command("harness.robustness.soak", "hours of loads, spawns and ticks"),
        "chaos": Command("harness.robustness.chaos", "a run under constant harm, and its losses"),
        "traffic": Command("harness.robustness.traffic", "collisions of background traffic"),
    },
}
COMMANDS: Mapping[str, Command] = {
    name: command for group in GROUPS.values() for name, command in group.items()
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command with the arguments behind its name; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] == "--version":
        from fusiondrive.provenance import package_version  # no other command waits for it

        print(package_version())
        return 0
    name, *rest = words
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        print(f"error: unknown command '{name}'{hint} (see fusiondrive --help)", file=sys.stderr)
        return EXIT_ERROR
    sys.argv = [f"fusiondrive {name}", *rest]
    runpy.run_module(COMMANDS[name].module, run_name="__main__", alter_sys=True)
    return 0


def overview() -> str:
    """The whole product on one screen."""
    width = max(map(len, COMMANDS)) + 2
    lines = ["usage: fusiondrive COMMAND [ARGUMENTS]; fusiondrive COMMAND --help tells more", ""]
    for group, commands in GROUPS.items():
        for number, (name, command) in enumerate(commands.items()):
            lines.append(f"{'' if number else group:<10}{name:<{width}}{command.help}")
    return "\n".join(lines)
