"""Moved: `python -m simulator.benchmarks.render`."""

import runpy
import sys

if __name__ == "__main__":
    print("note: this command is now `python -m simulator.benchmarks.render`", file=sys.stderr)
    runpy.run_module("simulator.benchmarks.render", run_name="__main__", alter_sys=True)
