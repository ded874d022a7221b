"""Coming in, as people do it: invited, with a code of the phone, with the phone lost, and out everywhere."""

import re
from datetime import timedelta

import pyotp
import pytest
from playwright.sync_api import expect

from podhealth import clock
from tests.support.stage import is_live

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EMAIL, PASSWORD = "nina@zeta.example", "correct horse battery"  # of the tests only


def _sign_in(page, origin):
    page.context.clear_cookies()
    page.goto(f"{origin}/sign-in?next=/heals")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def _give(page, code):
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name=re.compile("Sign in|Switch it on")).click()


def test_invited_people_join_set_up_their_phone_and_come_in_with_it_and_without_it(stage, enter, browser):
    admin = enter(stage.zeta).new_page()
    admin.goto(f"{stage.web.origin}/users")
    admin.get_by_label("E-mail address").fill(EMAIL)
    admin.get_by_role("button", name="Invite").click()
    link = admin.locator("#invitation").inner_text()

    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Your name").fill("Nina")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    page.wait_for_url("**/pods")
    is_live(page)

    page.goto(f"{stage.web.origin}/account/second-factor")
    page.get_by_role("button", name="Set it up").click()
    phone = pyotp.TOTP(page.locator("#totp-secret").inner_text().replace(" ", ""))
    expect(page.locator(".qr svg")).to_be_visible()
    _give(page, phone.at(clock.utcnow() - timedelta(seconds=30)))  # the one before, so that the next is good at once
    recovery = page.locator("#recovery-codes").inner_text().split()
    assert len(recovery) == 10

    _sign_in(page, stage.web.origin)
    page.wait_for_url("**/sign-in/code")
    used = phone.at(clock.utcnow())
    _give(page, used)
    page.wait_for_url("**/heals")

    _sign_in(page, stage.web.origin)
    page.goto(f"{stage.web.origin}/heals")  # the password alone opens nothing
    page.wait_for_url("**/sign-in?next=**")
    _sign_in(page, stage.web.origin)
    _give(page, used)
    expect(page.get_by_role("alert")).to_contain_text("That did not match. 4 tries left")
    _give(page, recovery[3])
    page.wait_for_url("**/heals")
    page.goto(f"{stage.web.origin}/account/second-factor")
    expect(page.get_by_text("9 of 10 recovery codes are left")).to_be_visible()
    context.close()


def test_signing_out_everywhere_closes_the_other_browsers_page_within_five_seconds(stage, enter, browser):
    there = stage.open(enter(stage.acme))
    here = enter(stage.acme).new_page()
    here.goto(f"{stage.web.origin}/account")

    here.get_by_role("button", name="Sign out everywhere").click()
    here.wait_for_url("**/sign-in")

    expect(there.locator("#live-banner")).to_contain_text("You were signed out", timeout=5_500)
    stage.give_access(stage.acme)
