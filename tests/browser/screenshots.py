"""`make screenshots`: starts a demo, breaks a pod, and takes every page in light, dark and as on a phone.

``python -m tests.browser.screenshots [FOLDER]``: into ./screenshots unless a folder is named; takes about two minutes.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support.api import Api
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

    def of_lists(self, page: Page) -> None:
        """Everything else a person can open."""
        self.take(page, "overview-cards", "/pods")
        self.take(page, "overview-dense", "/pods?view=dense")
        self.take(page, "overview-no-match", "/pods?q=nothing-like-this")
        self.take(page, "policies", "/policies")
        self.take(page, "heals", "/heals")
        self.take(page, "maintenance", "/maintenance")
        self.take(page, "maintenance-new", "/maintenance/new")
        self.take(page, "brakes", "/brakes")
        self.take(page, "approvals", "/approvals")
        self.take(page, "account", "/account")
        self.take(page, "not-found", "/nowhere")

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


def main(folder: Path) -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory(prefix="ph-pictures-") as data, running_up(Path(data) / "data", "--demo") as up:
        link = up.link()
        api = Api(up, "admin")
        api.give_crasher_one_attempt()
        album = Album(up, folder)
        with a_browser() as browser:
            album.of_doors(browser, link)
            with signed_in(browser, link) as page:
                album.of_pods(page, f"/pods/{api.pod('shop-web')['podId']}")
                album.of_lists(page)
                album.of_forms(page)
                page.goto(f"http://127.0.0.1:{up.port}/pods")
                expect(card(page, "crasher")).to_contain_text("Exhausted", timeout=120_000)
                album.take(page, "overview-exhausted")
                album.take(page, "pod-exhausted", f"/pods/{api.pod('crasher')['podId']}")
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
