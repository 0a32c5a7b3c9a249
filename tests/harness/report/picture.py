"""A picture of the top of a report, as a desktop's browser shows it.

    python -m tests.harness.report.picture report.html docs/pictures/report_top.jpg

It needs playwright and a Chromium, its own or the system's.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 1180, 1000
QUALITY = 80
WAIT_MS = 300_000.0
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def chromium_of(playwright: Any) -> str | None:
    """The path of playwright's own Chromium or of the system's; None where there is none."""
    own = playwright.chromium.executable_path
    return own if Path(own).is_file() else next(filter(None, map(shutil.which, PROGRAMS)), None)


def main() -> int:
    """Open the report without a network and write what is on the screen; gives the exit code."""
    from playwright.sync_api import sync_playwright  # tests that are skipped without it import this

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("output", type=Path, help="a .jpg file")
    parser.add_argument("--height", type=int, default=HEIGHT, help="of the screen, pixels")
    options = parser.parse_args()
    if not options.report.is_file():
        parser.error(f"expected a report, found no file {options.report}")
    if options.output.suffix != ".jpg":
        parser.error(f"expected a .jpg, found {options.output}")
    with sync_playwright() as playwright:
        found = chromium_of(playwright)
        if found is None:
            parser.error("no Chromium is installed: playwright install chromium")
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"], timeout=WAIT_MS
        )
        context = browser.new_context(
            viewport={"width": WIDTH, "height": options.height}, offline=True
        )
        page = context.new_page()
        page.goto(options.report.absolute().as_uri(), timeout=WAIT_MS)
        page.screenshot(path=options.output, type="jpeg", quality=QUALITY, timeout=WAIT_MS)
        browser.close()
    print(f"wrote {options.output}: {options.output.stat().st_size / 1e3:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
