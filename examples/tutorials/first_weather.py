"""A first weather: fog of 80 m at dusk, beside its neighbours on one sheet, and one drive in it.

python first_weather.py --out runs/first_weather
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import contact_sheet, run
from scenarios.weather import preset

DUSK_FOG = """\
# The sun has just set: lamps and low beams are on, and the sky still gives some light.
cloudiness: 70
sun_altitude_angle: -3
fog_density: 67.84   # 0.12 (67.84 / 100)^3 = 0.0375 per metre on the ground
fog_falloff: 0.2
wetness: 20
"""


def main() -> None:
    """Write the weather, say how far one sees in it, draw it, and drive a route in it."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", default="runs/first_weather")
    options, further = parser.parse_known_args()  # all other flags are those of harness.run
    file = Path("dusk_fog.yaml")
    file.write_text(DUSK_FOG, encoding="utf-8")
    weather = preset(str(file))
    print(f"{file}: range {weather.range_m:.1f} m, is_night {weather.is_night}")
    names = ["clear", "fog:80", str(file), "night+fog:80"]
    code = contact_sheet.main(["dusk_fog.jpg", "--towns", "Town02", "--weather", *names])
    if code == 0:
        words = ["--town", "Town02", "--weather", str(file), "--routes", "1"]
        code = run.main([*words, "--out", options.out, *further])
    raise SystemExit(code)


if __name__ == "__main__":
    main()
