"""`python -m tests.simulator.map_mutations COUNT SEED`: loads maps with one or two wrong values.

Each map must load or be refused with a MapError within 20 s, in a process of its own: any other end
is printed with what was changed, and the status is 1.
"""

import os
import random
import re
import signal
import sys
from collections import Counter

import carla

from simulator.maps.checks import MapError
from simulator.maps.loading import AUTHORED, build_town
from simulator.maps.opendrive import write_opendrive
from simulator.maps.random_town import random_town

VALUES = ("", "0", "-1", "1", "nan", "inf", "-inf", "1e12", "-1e-9", "7", "abc", "99999999999",
          "-3.5", "0.001", "start", "end", "driving", "none", "road", "junction")  # fmt: skip
LIMIT_S = 20


def change(text: str, dice: random.Random) -> tuple[str, str]:
    """One attribute gets another value, or one element goes."""
    if dice.random() < 0.8:
        found = dice.choice(list(re.finditer(r' (\w+)="([^"]*)"', text)))
        value = dice.choice(VALUES)
        where = text.count("\n", 0, found.start()) + 1
        new = f' {found[1]}="{value}"'
        element = text[text.rindex("<", 0, found.start()) :].split(" ", 1)[0]
        return text[: found.start()] + new + text[found.end() :], f"line {where}: {element}{new}"
    found = dice.choice(list(re.finditer(r"<(\w+) [^>]*/>", text)))
    where = text.count("\n", 0, found.start()) + 1
    return text[: found.start()] + text[found.end() :], f"line {where}: without <{found[1]}>"


def load(text: str) -> bool:
    """Whether the map is accepted."""
    try:
        build_town("Changed", "carla", text, "changed")
    except MapError:
        return False
    for waypoint in carla.Map("Changed", text).generate_waypoints(20.0):
        waypoint.next(2.0)
    return True


def load_apart(text: str) -> int:
    """Load in a process of its own; 0 accepted, 1 refused, else what it died of."""
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT_S)
        os._exit(0 if load(text) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(count: int, seed: int) -> int:
    """Load `count` maps; the number of those that ended their process."""
    texts = [write_opendrive(AUTHORED["Town02"]()), write_opendrive(random_town(7))]
    found: Counter[int] = Counter()
    for number in range(count):
        dice = random.Random(f"{seed}-{number}")
        text, changes = dice.choice(texts), []
        for _ in range(dice.choice((1, 2))):
            text, what = change(text, dice)
            changes.append(what)
        status = load_apart(text)
        found[status] += 1
        if status not in (0, 1):
            print(f"map {number} ended its process with {status}: {changes}", flush=True)
    print(f"{count} maps: {found[0]} accepted, {found[1]} refused")
    return count - found[0] - found[1]


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]), int(sys.argv[2])), 1))
