"""A real browser at a real installation: signing in by the printed link, and pictures in three dresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.support.browser import FLAGS, ensure

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@contextmanager
def a_browser() -> Iterator[Browser]:
    """A Chromium that talks to loopback only."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=ensure(), args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def signed_in(browser: Browser, link: str) -> Iterator[Page]:
    """A page of a person who came by the one-time link ``up`` printed, on the overview."""
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/pods")
    try:
        yield page
    finally:
        context.close()


def card(page: Page, name: str) -> Locator:
    """The card of that pod on the overview."""
    return page.locator(".pod-card", has=page.get_by_role("link", name=name, exact=True))


def pictures(page: Page, folder: Path, name: str) -> list[Path]:
    """Take the page as it is into ``folder``: light, dark, and as on a phone; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for dress in ("light", "dark", "phone"):
        page.emulate_media(color_scheme="dark" if dress == "dark" else "light")
        page.set_viewport_size(PHONE if dress == "phone" else WIDE)
        if dress == "phone":  # a bar that is fixed to the bottom belongs under the whole page
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size(PHONE | {"height": max(height, PHONE["height"])})
        path = folder / f"{name}-{dress}.png"
        page.screenshot(path=path, full_page=True)
        taken.append(path)
    page.set_viewport_size(WIDE)
    return taken
