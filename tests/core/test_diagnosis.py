"""What the doctor makes of what it saw, and what a Proxmox token lacks."""

import pytest

from podhealth.core import diagnosis, pve_rights
from podhealth.core.diagnosis import Finding, Grade

GB = 1 << 30
STRONG = "q7R2vL0xN9dKe4TzWm5YbUc8HsAfJ1gP3oIiXtQn"


@pytest.mark.parametrize(
    ("grades", "code"),
    [([], 0), ([Grade.OK], 0), ([Grade.OK, Grade.WARN], 1), ([Grade.BAD, Grade.WARN, Grade.OK], 2)],
)
def test_the_exit_code_is_the_worst_grade(grades, code):
    assert diagnosis.exit_code([Finding("x", grade, "") for grade in grades]) == code


@pytest.mark.parametrize(
    ("finding", "grade"),
    [
        (diagnosis.of_secret_key(STRONG, None), Grade.OK),
        (diagnosis.of_secret_key(STRONG, True), Grade.OK),
        (diagnosis.of_secret_key(STRONG, False), Grade.BAD),
        (diagnosis.of_secret_key("changeme" * 5, None), Grade.BAD),
        (diagnosis.of_secret_key("a" * 40, None), Grade.BAD),
        (diagnosis.of_public_url("https://ph.example", "0.0.0.0", 1), Grade.OK),
        (diagnosis.of_public_url("https://ph.example", "0.0.0.0", 0), Grade.WARN),
        (diagnosis.of_public_url("http://ph.example", "0.0.0.0", 1), Grade.WARN),
        (diagnosis.of_public_url("http://127.0.0.1:8700", "0.0.0.0", 0), Grade.WARN),
        (diagnosis.of_public_url("http://127.0.0.1:8700", "127.0.0.1", 0), Grade.OK),
        (diagnosis.of_disk("/d", 100 * GB, 50 * GB), Grade.OK),
        (diagnosis.of_disk("/d", 100 * GB, 9 * GB), Grade.WARN),
        (diagnosis.of_disk("/d", 4 * GB, GB), Grade.WARN),
        (diagnosis.of_disk("/d", 100 * GB, GB), Grade.BAD),
        (diagnosis.of_open_files(20_000, 6_000), Grade.OK),
        (diagnosis.of_open_files(4_096, 6_000), Grade.WARN),
        (diagnosis.of_open_files(256, 6_000), Grade.BAD),
        (diagnosis.of_clock("the database", 0.3), Grade.OK),
        (diagnosis.of_clock("the database", -3.0), Grade.WARN),
        (diagnosis.of_clock("the database", 31.0), Grade.BAD),
    ],
)
def test_each_finding_has_its_grade_and_a_mend_where_one_is_needed(finding, grade):
    assert finding.grade == grade
    assert bool(finding.mend) == (grade != Grade.OK)
    assert "\n" not in finding.mend


HEALS = {"VM.Audit": 1, "VM.PowerMgmt": 1}
MOVES = HEALS | {"VM.Migrate": 1}


@pytest.mark.parametrize(
    ("rights", "moves", "missing"),
    [
        ({}, False, ("VM.Audit", "VM.PowerMgmt")),
        ({"/vms/100": HEALS}, False, ()),
        ({"/vms/101": HEALS}, False, ("VM.Audit", "VM.PowerMgmt")),
        ({"/vms": HEALS}, False, ()),
        ({"/": HEALS}, False, ()),
        # An entry of its own says all there is; what is not handed down does not reach the guest.
        ({"/vms": HEALS, "/vms/100": {"VM.Audit": 1}}, False, ("VM.PowerMgmt",)),
        ({"/vms": {"VM.Audit": 1, "VM.PowerMgmt": 0}}, False, ("VM.PowerMgmt",)),
        ({"/vms/100": {"VM.Audit": 0, "VM.PowerMgmt": 0}}, False, ()),
        ({"/vms/100": HEALS}, True, ("VM.Migrate", "Sys.Audit")),
        ({"/vms/100": MOVES, "/nodes": {"Sys.Audit": 1}}, True, ()),
    ],
)
def test_what_healing_needs_and_the_token_has_not_is_named(rights, moves, missing):
    assert pve_rights.lacking(rights, "100", moves) == missing


def test_a_token_that_could_do_anything_is_too_much():
    assert pve_rights.needless({"/": MOVES | {"Permissions.Modify": 1}}) == ("Permissions.Modify",)
    assert pve_rights.needless({"/": MOVES}) == ()
