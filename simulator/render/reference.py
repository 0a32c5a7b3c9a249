"""Moved: `python -m simulator.benchmarks.reference`."""

import runpy
import sys

if __name__ == "__main__":
    print("note: this command is now `python -m simulator.benchmarks.reference`", file=sys.stderr)
    runpy.run_module("simulator.benchmarks.reference", run_name="__main__", alter_sys=True)
