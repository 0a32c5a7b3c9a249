"""Drive on a CARLA server that runs already: look at it first, then drive one route.

python real_server.py --port 2000
"""

from __future__ import annotations

import argparse

from harness import run
from harness.doctor.__main__ import main as doctor


def main() -> None:
    """Check the server, then drive on it."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", default="2000")
    parser.add_argument("--town", default="Town02")
    parser.add_argument("--out", default="runs/real_server")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    place = ["--host", options.host, "--port", options.port]
    code = doctor(place)
    if code == 0:
        words = ["--backend", "external", *place, "--town", options.town, "--routes", "1"]
        code = run.main([*words, "--policy", "expert", "--out", options.out, *further])
    raise SystemExit(code)


if __name__ == "__main__":
    main()
