"""Moved: `python -m simulator.benchmarks.tick`."""

import runpy
import sys

if __name__ == "__main__":
    print("note: this command is now `python -m simulator.benchmarks.tick`", file=sys.stderr)
    runpy.run_module("simulator.benchmarks.tick", run_name="__main__", alter_sys=True)
