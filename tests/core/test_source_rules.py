"""What a source and a tag rule may be: each field, by name."""

import pytest

from podhealth.core.errors import InputError
from podhealth.core.guests import Takes
from podhealth.core.source_rules import parse_source
from podhealth.core.tag_rules import checks_for, parse_tag_rule

NETWORKS = ("10.0.0.0/8",)
CONFIG = {"url": "https://10.0.0.2:8006", "tokenId": "podhealth@pve!sync", "token": "5a3e1f00-1111"}
GIVEN = {"name": "lab", "kind": "proxmox", "config": CONFIG}


def test_a_source_takes_nothing_and_is_off_until_somebody_says_so() -> None:
    rules = parse_source(GIVEN, NETWORKS)

    assert (rules.takes, rules.is_on, rules.every_s) == (Takes(), False, 300)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " "}, "name"),
        ({"kind": "webhook"}, "kind"),
        ({"kind": "docker"}, "tokenId"),
        ({"config": CONFIG | {"url": "https://127.0.0.1:8006"}}, "config.url"),
        ({"config": CONFIG | {"url": "http://10.0.0.2:8006"}}, "config.url"),
        ({"config": CONFIG | {"guestName": "web"}}, "guestName"),
        ({"config": {"url": CONFIG["url"]}}, "config.tokenId"),
        ({"config": []}, "config"),
        ({"takes": {"labels": ["a"]}}, "takes.labels"),
        ({"takes": {"tags": "web"}}, "takes.tags"),
        ({"takes": {"everything": 1}}, "takes.everything"),
        ({"takes": []}, "takes"),
        ({"everySeconds": 59}, "everySeconds"),
        ({"enabled": "yes"}, "enabled"),
        ({"enabled": True}, "takes"),  # switched on without saying what it takes
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_bad_value_is_refused_by_the_fields_name(given: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_source(GIVEN | given, NETWORKS)

    assert refused.value.field == field


def test_a_stored_secret_stays_while_it_goes_to_the_same_place_only() -> None:
    before = parse_source(GIVEN | {"config": CONFIG | {"token": "x"}}, NETWORKS)
    sealed = {"sealed": "1.abc"}
    stored = parse_source({"config": CONFIG | {"token": "y"}}, NETWORKS, before)
    object.__setattr__(stored, "config", CONFIG | {"token": sealed})

    assert parse_source({"config": CONFIG | {"token": sealed}}, NETWORKS, stored).config["token"] == sealed
    with pytest.raises(InputError) as refused:
        parse_source({"config": CONFIG | {"token": sealed, "url": "https://10.9.9.9:8006"}}, NETWORKS, stored)
    assert refused.value.field == "config.token"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"check": {"checkType": "tcp", "target": "22"}}, "tag"),
        ({"tag": "web"}, "check"),
        ({"tag": "web", "check": {"checkType": "tcp", "target": "0"}}, "check.target"),
        ({"tag": "web", "check": {"checkType": "running"}}, "check.checkType"),
        ({"tag": "web", "check": "tcp"}, "check"),
    ],
)
def test_a_tag_rule_says_a_tag_and_a_check_that_may_be(given: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_tag_rule(given)

    assert refused.value.field == field


def test_a_pod_gets_the_checks_of_its_tags_and_of_two_with_one_name_the_first() -> None:
    rules = [
        parse_tag_rule({"tag": tag, "check": {"checkType": "http", "target": target} | more})
        for tag, target, more in (("web", "/a", {}), ("shop", "/b", {}), ("shop", "/c", {"name": "c"}), ("x", "/", {}))
    ]

    assert [check.target for check in checks_for(["shop", "web"], rules, ("ping",))] == ["/a", "/c"]
