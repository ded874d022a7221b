"""`make screenshots`: every page in three widths and both themes, of a house with a past; and a story of a real demo.

``python -m tests.browser.screenshots [FOLDER] [--pages|--story|--docs]``: into ./screenshots unless a folder is named;
takes about five minutes. ``--docs`` takes the six that the README shows, into docs/pictures.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.gallery import a_gallery
from tests.support.api import Api
from tests.support.everypage import go
from tests.support.pages import a_browser, card, pictures, signed_in
from tests.support.up import Up, running_up


class Album:
    """Pictures of one installation's pages, taken in the order of the story."""

    def __init__(self, up: Up, folder: Path) -> None:
        self._up, self._folder = up, folder
        self._origin = f"http://127.0.0.1:{up.port}"

    def take(self, page: Page, name: str, path: str | None = None) -> None:
        """Take the page as it is, or the one at ``path``."""
        if path is not None:
            page.goto(self._origin + path)
        pictures(page, self._folder, name)
        print(f"{name}: {page.title()}", flush=True)

    def of_doors(self, browser: Browser, link: str) -> None:
        """What people see before they are in."""
        page = browser.new_page()
        self.take(page, "sign-in", "/sign-in")
        page.goto(link)
        self.take(page, "sign-in-link")
        page.goto(self._origin + "/sign-in/link/used")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="used up").wait_for()
        self.take(page, "sign-in-link-used")
        page.close()

    def of_pods(self, page: Page, path: str) -> None:
        """The overview and the pod at ``path`` as one falls ill and is healed."""
        expect(card(page, "shop-web")).to_contain_text("Healthy", timeout=40_000)
        self.take(page, "pod-healthy", path)
        self._up.command("demo", "crash", "shop-web")
        self._up.command("demo", "slow", "queue")
        expect(page.locator("main h1").locator("..")).to_contain_text("Unhealthy", timeout=40_000)
        self.take(page, "pod-unhealthy")
        self.take(page, "overview-unhealthy", "/pods")
        page.goto(self._origin + path)
        expect(page.locator(".events")).to_contain_text("Healed", timeout=60_000)
        self.take(page, "pod-healed")

    def of_forms(self, page: Page) -> None:
        """A policy: new, edited, and refused with its mistakes beside the fields."""
        self.take(page, "policy-new", "/policies/new")
        page.goto(self._origin + "/policies")
        page.get_by_role("link", name="restart", exact=True).click()
        page.wait_for_url("**/policies/*")
        self.take(page, "policy-edit")
        page.locator("[name=maxAttempts]").fill("21")
        page.locator("[name=name]").fill("")
        page.get_by_role("button", name="Save").first.click()
        page.locator("#problems").wait_for()
        self.take(page, "policy-error")


WIDTHS = (390, 768, 1440)
THEMES = ("light", "dark")


def take_pages(folder: Path) -> None:
    """Take every page there is, whoever may see it, in all widths and themes."""
    with (
        tempfile.TemporaryDirectory(prefix="ph-gallery-") as data,
        a_gallery(Path(data)) as house,
        a_browser() as browser,
    ):
        windows = {role: house.enter(browser, role).new_page() for role in house.tokens}
        for address in house.pages:
            page = windows[address.role]
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                go(page, house.web, address)
                for theme in THEMES:
                    page.emulate_media(color_scheme=theme)
                    page.screenshot(path=folder / f"{address.name}-{width}-{theme}.png", full_page=True)
            print(f"{address.name}: {page.title()}", flush=True)


# What the README shows: the file's name, the page, and its theme.
SHOWN = (
    ("overview", "pods", "light"),
    ("pod", "pods-one", "light"),
    ("policy", "policies-one", "light"),
    ("incident", "incidents-one", "light"),
    ("wall", "wall", "dark"),
    ("status-page", "s-one", "light"),
)


def take_for_docs(folder: Path) -> None:
    """Take the upper part of the pages that the README shows."""
    with (
        tempfile.TemporaryDirectory(prefix="ph-gallery-") as data,
        a_gallery(Path(data)) as house,
        a_browser() as browser,
    ):
        by_name = {address.name: address for address in house.pages}
        for name, shown, theme in SHOWN:
            address = by_name[shown]
            size: ViewportSize = {"width": 1280, "height": 860}
            page = house.enter(browser, address.role, viewport=size, color_scheme=theme).new_page()
            page.goto(house.web.origin + address.path)
            page.screenshot(path=folder / f"{name}.png")


def take_story(folder: Path) -> None:
    """Take a pod of a real demo as it falls ill and is healed."""
    with tempfile.TemporaryDirectory(prefix="ph-pictures-") as data, running_up(Path(data) / "data", "--demo") as up:
        link = up.link()
        api = Api(up, "admin")
        api.give_crasher_one_attempt()
        album = Album(up, folder)
        with a_browser() as browser:
            album.of_doors(browser, link)
            with signed_in(browser, link) as page:
                album.of_pods(page, f"/pods/{api.pod('shop-web')['podId']}")
                album.of_forms(page)
                page.goto(f"http://127.0.0.1:{up.port}/pods")
                expect(card(page, "crasher")).to_contain_text("Exhausted", timeout=120_000)
                album.take(page, "overview-exhausted")
                album.take(page, "pod-exhausted", f"/pods/{api.pod('crasher')['podId']}")


def main(folder: Path, only: str | None) -> None:
    """Take all pictures, or one half of them."""
    folder.mkdir(parents=True, exist_ok=True)
    if only == "--docs":
        take_for_docs(folder)
        return
    if only != "--story":
        take_pages(folder)
    if only != "--pages":
        take_story(folder)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    folders = [word for word in sys.argv[1:] if not word.startswith("--")]
    only = next((word for word in sys.argv[1:] if word.startswith("--")), None)
    main(Path(folders[0] if folders else "docs/pictures" if only == "--docs" else "screenshots"), only)
