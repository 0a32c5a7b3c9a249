"""Reports in a real browser: headless Chromium, phone and desktop, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from harness.report.make import ReportConfig, make_report
from tests.harness.report.made_up import write_run
from tests.harness.report.picture import chromium_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.heavy

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
READABLE, VISIBLE = 4.5, 3.0  # contrast of text and of marks after WCAG 2, level AA
# Contrast of every text with what is behind it, the least first.
CONTRASTS = """() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (item) => {
    for (let at = item; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$|transparent/.test(color)) return color;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const found = { text: [], mark: [] };
  for (const item of document.querySelectorAll("body *")) {
    const style = getComputedStyle(item);
    if (!item.checkVisibility() || item.closest("script, noscript, select:disabled")) continue;
    const words = [...item.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const isDrawn = item.ownerSVGElement && item.tagName !== "title";
    const keep = (list, color) =>
      list.push([contrast(color, behind(item)), item.outerHTML.slice(0, 120)]);
    if (words && item.tagName !== "title") keep(found.text, isDrawn ? style.fill : style.color);
    if (item.classList.contains("mark")) keep(found.mark, style.stroke);
  }
  for (const list of Object.values(found)) list.sort((a, b) => a[0] - b[0]);
  return found;
}"""


class Screen:
    """A page, with what its console said and what it asked the network for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def opens(self, href: str) -> None:
        """Wait until the failure of that address is chosen."""
        self.page.wait_for_selector(f"#cases a[aria-current=true][href='{href}']", timeout=10_000)

    def chosen(self) -> str:
        """What the list of failures has chosen."""
        link = self.page.locator("#cases a[aria-current=true]")
        return str(link.get_attribute("href"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, playwright's own or one of the system's."""
    with sync_api.sync_playwright() as playwright:
        found = chromium_of(playwright)
        if found is None:
            pytest.skip("no Chromium is installed (looked for playwright's and the system's)")
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs") / "fog", with_videos=True)
    path = folder / "report.html"
    path.write_text(make_report(ReportConfig((folder,))), encoding="utf-8")
    return path


@pytest.fixture
def show(browser: Any, report: Path) -> Iterator[Callable[..., Screen]]:
    contexts = []

    def opened(size: dict[str, int] = DESKTOP, scheme: str = "light", link: str = "") -> Screen:
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        contexts.append(context)
        screen = Screen(context.new_page())
        screen.page.goto(f"{report.as_uri()}{link}")
        return screen

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_report_opens_without_network_or_errors(
    show: Callable[..., Screen], size: dict[str, int], scheme: str
) -> None:
    screen = show(size, scheme)
    assert screen.said == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in screen.asked)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(show: Callable[..., Screen], width: int) -> None:
    screen = show({"width": width, "height": 844})
    assert screen.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out(show: Callable[..., Screen], scheme: str) -> None:
    found = show(DESKTOP, scheme).page.evaluate(CONTRASTS)
    assert len(found["text"]) > 200
    assert len(found["mark"]) > 30
    assert found["text"][0][0] >= READABLE, found["text"][:3]
    assert found["mark"][0][0] >= VISIBLE, found["mark"][:3]


def test_the_dark_page_is_dark_and_the_light_one_light(show: Callable[..., Screen]) -> None:
    for scheme, is_dark in (("light", False), ("dark", True)):
        data = np.frombuffer(show(DESKTOP, scheme).page.screenshot(), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        assert bool(np.median(picture) < 60) is is_dark
        assert picture.std() > 10.0  # something is drawn


def test_keys_move_through_the_failures(show: Callable[..., Screen]) -> None:
    screen = show()
    links = [
        item.get_attribute("href") for item in screen.page.locator("#cases a").element_handles()
    ]
    assert screen.chosen() == links[0]
    screen.page.keyboard.press("j")
    assert screen.chosen() == links[1]
    screen.page.keyboard.press("ArrowDown")  # the list has the focus now
    assert screen.chosen() == links[2]
    screen.page.keyboard.press("k")
    assert screen.chosen() == links[1]
    assert screen.page.url.endswith(links[1])


def test_the_tab_key_reaches_a_failure_and_enter_opens_it(show: Callable[..., Screen]) -> None:
    screen = show()
    screen.page.locator("#reset").focus()
    for _ in range(3):
        screen.page.keyboard.press("Tab")
    href = screen.page.evaluate("document.activeElement.getAttribute('href')")
    assert href.startswith("#case/")
    screen.page.keyboard.press("Enter")
    screen.opens(href)
    assert screen.page.evaluate("document.activeElement.getAttribute('href')") == href


def test_a_deep_link_opens_its_failure(show: Callable[..., Screen]) -> None:
    links = show().page.locator("#cases a")
    link, words = links.nth(3).get_attribute("href"), links.nth(3).inner_text()
    screen = show(link=link)
    screen.opens(link)
    route = words.split(",")[0].removeprefix("route ")
    assert screen.page.locator("#detail h3").inner_text().startswith(f"Route {route},")


def test_a_link_to_a_hidden_failure_takes_the_filters_away(show: Callable[..., Screen]) -> None:
    screen = show()
    screen.page.select_option("[data-filter=pair]", "dehaze − rgb")
    hidden = screen.page.evaluate(
        "JSON.parse(document.getElementById('data').textContent)"
        ".cases.find((item) => item.pair === 'oracle − rgb').id"
    )
    screen.page.evaluate(f"location.hash = 'case/{hidden}'")
    screen.opens(f"#case/{hidden}")
    assert screen.page.locator("[data-filter=pair]").input_value() == ""


def test_filters_leave_what_they_say_and_reset_brings_the_rest_back(
    show: Callable[..., Screen],
) -> None:
    page = show().page
    all_of_them = page.locator("#cases a").count()
    page.select_option("[data-filter=pair]", "dehaze − rgb")
    assert page.locator("#cases a").count() == 2
    page.select_option("[data-filter=hazard]", "ParkedObstacle")
    assert page.locator("#cases a").count() == 2
    assert page.locator("#count").inner_text() == f"2 of {all_of_them} failures"
    page.click("#reset")
    assert page.locator("#cases a").count() == all_of_them


def test_charts_open_at_the_first_difference_and_are_read_under_the_pointer(
    show: Callable[..., Screen],
) -> None:
    page = show().page
    page.select_option("[data-filter=pair]", "dehaze − rgb")
    page.locator("#cases a").first.click()
    page.wait_for_function("document.querySelector('#detail h3').textContent.includes('Route 00')")
    said = page.locator("#detail").inner_text()
    assert "Steering first diverges at 21 m." in said
    assert page.locator("#detail .views button").first.get_attribute("aria-pressed") == "true"
    page.locator(".chart").first.hover(position={"x": 300, "y": 40})
    assert "dehaze steers" in page.locator("#read").inner_text()


def test_a_clip_plays_both_drives(show: Callable[..., Screen]) -> None:
    page = show().page
    page.select_option("[data-filter=pair]", "dehaze − rgb")
    page.locator("#cases a").first.click()
    page.wait_for_function("document.querySelector('video')?.readyState >= 2", timeout=20_000)
    assert page.evaluate("document.querySelector('video').videoWidth") == 640
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(8.0, abs=0.2)


def test_a_mark_on_the_map_leads_to_its_failure(show: Callable[..., Screen]) -> None:
    screen = show()
    mark = screen.page.locator(".map a.end").last
    href = mark.get_attribute("href")
    mark.focus()
    screen.page.keyboard.press("Enter")
    screen.opens(href)


def test_a_phone_has_targets_that_a_finger_hits(show: Callable[..., Screen]) -> None:
    page = show(PHONE).page
    for target in ("#cases a", "#filters select", "#reset", "#detail .views button"):
        box = page.locator(target).first.bounding_box()
        assert box is not None
        assert box["height"] >= 32.0, target
