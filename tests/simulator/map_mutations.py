"""`python -m tests.simulator.map_mutations COUNT SEED [--grow]`: maps with one or two wrong values.

With `--grow` they are changed from one short street, and the town around it grows as well. Each
must load or be refused with a MapError within 20 s, in a process of its own: any other end is
printed with what was changed, and the status is 1.
"""

import os
import random
import re
import signal
import sys
import traceback
from collections import Counter

import carla

from simulator.maps.checks import MapError
from simulator.maps.loading import AUTHORED, build_town
from simulator.maps.opendrive import write_opendrive
from simulator.maps.random_town import random_town
from simulator.scenery.store import grow_all

VALUES = ("", "0", "-1", "1", "nan", "inf", "-inf", "1e12", "-1e-9", "7", "abc", "99999999999",
          "-3.5", "0.001", "start", "end", "driving", "none", "road", "junction")  # fmt: skip
LIMIT_S = 20
ACCEPTED, REFUSED = 0, 3  # what the process of a map says; Python itself ends with 1 or 2
STREET = """<OpenDRIVE><header revMajor="1" revMinor="4" name="street"/>
<road name="" length="150" id="0" junction="-1"><link/>
<type s="0" type="town"><speed max="50" unit="km/h"/></type>
<planView><geometry s="0" x="0" y="0" hdg="0" length="150"><line/></geometry></planView>
<elevationProfile><elevation s="0" a="0" b="0" c="0" d="0"/></elevationProfile>
<lanes><laneOffset s="0" a="0" b="0" c="0" d="0"/><laneSection s="0">
<left><lane id="1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/>
<roadMark sOffset="0" type="solid" color="standard" width="0.13" laneChange="none"/></lane></left>
<center><lane id="0" type="none" level="false">
<roadMark sOffset="0" type="broken" color="standard" width="0.13"/></lane></center>
<right><lane id="-1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/>
</lane></right></laneSection></lanes></road></OpenDRIVE>"""


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


def load(text: str, *, is_grown: bool) -> bool:
    """Whether the map is accepted."""
    try:
        town = build_town("Changed", "carla", text, "changed")
    except MapError:
        return False
    if is_grown:
        grow_all(carla.Map("Changed", town.xodr), town, 0)
    for waypoint in carla.Map("Changed", text).generate_waypoints(20.0):
        waypoint.next(2.0)
    return True


def load_apart(text: str, *, is_grown: bool) -> int:
    """Load in a process of its own; ACCEPTED, REFUSED, or what it died of."""
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT_S)
        status = 1
        try:
            status = ACCEPTED if load(text, is_grown=is_grown) else REFUSED
        except Exception:
            traceback.print_exc()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(count: int, seed: int, *, is_grown: bool) -> int:
    """Load `count` maps; the number of those that ended their process."""
    texts = [write_opendrive(AUTHORED["Town02"]()), write_opendrive(random_town(7))]
    if is_grown:
        texts = [STREET]
    found: Counter[int] = Counter()
    for number in range(count):
        dice = random.Random(f"{seed}-{number}")
        text, changes = dice.choice(texts), []
        for _ in range(dice.choice((1, 2))):
            text, what = change(text, dice)
            changes.append(what)
        status = load_apart(text, is_grown=is_grown)
        found[status] += 1
        if status not in (ACCEPTED, REFUSED):
            print(f"map {number} ended its process with {status}: {changes}", flush=True)
    print(f"{count} maps: {found[ACCEPTED]} accepted, {found[REFUSED]} refused")
    return count - found[ACCEPTED] - found[REFUSED]


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]), int(sys.argv[2]), is_grown="--grow" in sys.argv), 1))
