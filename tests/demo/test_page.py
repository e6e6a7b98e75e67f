"""The page of the demo in a real Chromium: complete in itself, and drawn as the spans were measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from tests.demo.conftest import Show
from unbroken.demo.scenarios import SCENARIOS

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = [scenario.name for scenario in SCENARIOS]
ARGUMENTS = (
    "--no-sandbox",  # root in a container has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BARS = """column => [...column.querySelectorAll('details.span')].map(row => {
    const bar = row.querySelector('.bar'), box = bar.getBoundingClientRect();
    const track = row.querySelector('.track').getBoundingClientRect();
    return {span: bar.dataset.span, parent: bar.dataset.parent, milliseconds: Number(bar.dataset.milliseconds),
            left: box.left - track.left, right: box.right - track.left, track: track.width};
})"""
PIXEL = 1.0
NARROWEST = 3.0
"""Pixels of the bar of the shortest span."""


@dataclass(frozen=True)
class Bar:
    """A bar as it is drawn; left and right in pixels from the left of its track."""

    span: str
    parent: str
    milliseconds: float
    left: float
    right: float
    track: float


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(show: Show) -> str:
    return show("confluent-kafka").page.as_uri()


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page on a wide screen, everything folded out."""
    page = opened(browser, address)
    page.evaluate("document.querySelectorAll('details.compact').forEach(trace => trace.open = true)")
    yield page
    page.close()


def test_it_loads_nothing_and_complains_about_nothing(browser: Browser, address: str) -> None:
    page = browser.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.close()
    assert [url for url in requests if not url.startswith("data:")] == [address]
    assert complaints == []


def test_the_headline_counts_the_traces(page: Page) -> None:
    assert page.locator("h1").inner_text().startswith("13 requests made 20 traces.")
    assert page.locator("h1 .good").inner_text() == "13"


def test_the_changed_lines_are_shown_as_they_are(page: Page) -> None:
    assert page.locator("#change > pre .added").all_inner_texts() == [
        "+ from unbroken import forward, process",
        "+ producer.produce(topic, message.value(), headers=forward(message, error=error))",
        "+ with process(message):",
    ]
    assert page.locator("#change > pre .removed").count() == 2


def test_there_is_a_section_for_each_scenario(page: Page) -> None:
    assert page.locator("section").evaluate_all("sections => sections.map(section => section.id)") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_only_the_side_before_is_marked_as_broken(page: Page, name: str) -> None:
    assert page.locator(f"#{name} .before .broken").count() > 0
    assert page.locator(f"#{name} .after .broken").count() == 0
    assert "begins anew" in page.locator(f"#{name} .before .broken .head").first.inner_text()


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", NAMES)
def test_no_bar_begins_before_its_parents(page: Page, name: str, side: str) -> None:
    bars = {bar.span: bar for bar in drawn(page, name, side)}
    pairs = [(bar, bars[bar.parent]) for bar in bars.values() if bar.parent in bars]
    assert pairs
    assert [bar for bar, parent in pairs if bar.left < parent.left - PIXEL] == []


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", NAMES)
def test_every_bar_is_on_its_track_and_as_long_as_its_span(page: Page, name: str, side: str) -> None:
    bars = drawn(page, name, side)
    longest = max(bars, key=lambda bar: bar.milliseconds)
    scale = (longest.right - longest.left) / longest.milliseconds
    for bar in bars:
        assert bar.left >= -PIXEL
        assert bar.right <= bar.track + PIXEL
        assert bar.right - bar.left == pytest.approx(max(bar.milliseconds * scale, NARROWEST), abs=PIXEL)


def test_both_sides_of_a_section_have_one_scale(page: Page) -> None:
    before, after = (
        max(drawn(page, "dead-letter", side), key=lambda bar: bar.milliseconds) for side in ("before", "after")
    )
    assert (before.right - before.left) / before.milliseconds == pytest.approx(
        (after.right - after.left) / after.milliseconds, rel=0.05
    )


def test_a_row_opens_to_the_attributes_of_its_span(page: Page) -> None:
    row = page.locator("#chain .after .span", has_text="process orders")
    details = row.locator("dl")
    assert not details.is_visible()
    row.locator("summary").click()
    assert details.is_visible()
    assert "messaging.destination.name" in details.inner_text()
    assert "span_id: " in (row.locator("summary").get_attribute("title") or "")


def test_the_raw_spans_can_be_read(page: Page) -> None:
    raw = page.locator("#retry .after .raw")
    raw.locator("summary").click()
    assert '"trace_id"' in raw.locator("pre").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    page = opened(browser, address, color_scheme=scheme)
    ground = rgb(page, "body", "backgroundColor")
    assert (luminance(ground) > 0.5) is (scheme == "light")
    for selector, behind in (("h1", "body"), (".lead", "body"), (".why", ".column"), (".ms", ".column")):
        assert contrast(rgb(page, selector, "color"), rgb(page, behind, "backgroundColor")) >= 4.5, selector
    page.close()


@pytest.mark.parametrize("width", [390, 820, 1360])
def test_nothing_is_wider_than_the_screen(browser: Browser, address: str, width: int) -> None:
    page = opened(browser, address, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def opened(browser: Browser, address: str, **options: Any) -> Page:
    page = browser.new_page(**{"viewport": {"width": 1360, "height": 900}, **options})
    page.goto(address)
    return page


def drawn(page: Page, name: str, side: str) -> list[Bar]:
    return [Bar(**bar) for bar in page.locator(f"#{name} .column.{side}").evaluate(BARS)]


def rgb(page: Page, selector: str, style: str) -> list[float]:
    text: str = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{style}")
    return [float(part) / 255 for part in text.partition("(")[2].rstrip(")").split(",")[:3]]


def luminance(colour: list[float]) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: list[float], other: list[float]) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
