"""Moved: `python -m simulator.benchmarks.raycast`."""

import runpy
import sys

if __name__ == "__main__":
    print("note: this command is now `python -m simulator.benchmarks.raycast`", file=sys.stderr)
    runpy.run_module("simulator.benchmarks.raycast", run_name="__main__", alter_sys=True)
