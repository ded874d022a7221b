"""What the settings of a Proxmox or Docker pod may be: each field, by name; and where a secret may stay as it is."""

import pytest

from podhealth.core.errors import InputError
from podhealth.core.pod_rules import PodRules, parse_pod

NETWORKS = (("10.0.0.0/8",),)
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PROXMOX = {"url": "https://10.0.0.2:8006", "tokenId": "podhealth@pve!heal", "token": "5a3e1f00-1111"}
DOCKER = {"url": "unix:///run/podman/podman.sock"}


def pod(provider: str, config: object, ref: object, **more: object) -> PodRules:
    fields = {"name": "web", "address": "10.0.0.1", "provider": provider, "providerRef": ref, "providerConfig": config}
    return parse_pod(fields | more, NETWORKS)


def refused(provider: str, config: object, ref: object) -> InputError:
    with pytest.raises(InputError) as caught:
        pod(provider, config, ref)
    return caught.value


@pytest.mark.parametrize(
    ("provider", "config", "ref"),
    [
        ("proxmox", PROXMOX, "pve1/100"),
        ("proxmox", PROXMOX | {"url": "https://pve.example"}, "pve-1.example/999999999"),
        ("proxmox", PROXMOX | {"url": "https://8.8.8.8:8006/"}, "pve1/100"),
        ("proxmox", PROXMOX | {"fingerprint": "AB:" * 31 + "AB", "guestName": "web-1"}, "pve1/100"),
        ("proxmox", PROXMOX | {"fingerprint": "ab" * 32, "ca": None}, "pve1/100"),
        ("proxmox", PROXMOX | {"ca": PEM + PEM}, "pve1/100"),
        ("docker", DOCKER, "web_1"),
        ("docker", {"url": "tcp://10.0.0.5:2375"}, "0123456789ab"),
        ("docker", {"url": "https://docker.example:2376", "certificate": PEM, "key": PEM, "ca": PEM}, "web"),
    ],
)
def test_what_works_is_taken_as_it_is(provider, config, ref) -> None:
    assert pod(provider, config, ref).provider_config == config


HOOK = {"url": "https://hooks.example/heal", "secret": "s" * 16}


@pytest.mark.parametrize(
    "more", [{}, {"url": "http://10.0.0.9/"}, {"url": "https://8.8.8.8/"}, {"stateUrl": "https://x.example/"}, {"x": 1}]
)
def test_a_web_hook_may_be_called_where_its_text_does_not_forbid_it(more) -> None:
    assert pod("webhook", HOOK | more, None).provider_config == HOOK | more


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "https://127.1/"}, "url"),
        ({"url": "https://u@hooks.example/"}, "url"),
        ({"url": "https://http://hooks.example/"}, "url"),
        ({"url": 5}, "url"),
        ({"stateUrl": "http://[::1]/"}, "stateUrl"),
        ({"secret": "short"}, "secret"),
        ({"secret": ["x" * 20]}, "secret"),
    ],
)
@pytest.mark.attack("A41", "A45")
def test_a_web_hook_to_where_nobody_may_call_is_refused(more, field) -> None:
    assert refused("webhook", HOOK | more, None).field == f"providerConfig.{field}"


@pytest.mark.parametrize(
    ("provider", "changes", "field"),
    [
        ("proxmox", {"url": None}, "url"),
        ("proxmox", {"url": "http://10.0.0.2:8006"}, "url"),
        ("proxmox", {"url": "https://"}, "url"),
        ("proxmox", {"url": "https://a:b@10.0.0.2"}, "url"),
        ("proxmox", {"url": "https://10.0.0.2/api2"}, "url"),
        ("proxmox", {"url": "https://10.0.0.2?x"}, "url"),
        ("proxmox", {"url": "https://10.0.0.2:x"}, "url"),
        ("proxmox", {"url": "https://[::1"}, "url"),
        ("proxmox", {"url": "https://127.0.0.1:8006"}, "url"),
        ("proxmox", {"url": "https://169.254.169.254"}, "url"),
        ("proxmox", {"url": "https://0x7f.1"}, "url"),
        ("proxmox", {"url": "https://localhost:8006"}, "url"),
        ("proxmox", {"url": 5}, "url"),
        ("proxmox", {"tokenId": "root@pam"}, "tokenId"),
        ("proxmox", {"tokenId": "root@pam!a b"}, "tokenId"),
        ("proxmox", {"tokenId": "root@pam!a\r\nX: y"}, "tokenId"),
        ("proxmox", {"token": ""}, "token"),
        ("proxmox", {"token": "a b"}, "token"),
        ("proxmox", {"token": "x" * 201}, "token"),
        ("proxmox", {"token": {"sealed": "1.abc"}}, "token"),
        ("proxmox", {"fingerprint": "ab" * 20}, "fingerprint"),
        ("proxmox", {"fingerprint": "zz" * 32}, "fingerprint"),
        ("proxmox", {"fingerprint": "ab" * 32, "ca": PEM}, "fingerprint"),
        ("proxmox", {"ca": "no"}, "ca"),
        ("proxmox", {"ca": PEM + "x"}, "ca"),
        ("proxmox", {"guestName": "a\nb"}, "guestName"),
        ("docker", {"url": "unix://run/x"}, "url"),
        ("docker", {"url": "unix:///run/../x"}, "url"),
        ("docker", {"url": "tcp://10.0.0.5"}, "url"),
        ("docker", {"url": "ssh://10.0.0.5:22"}, "url"),
        ("docker", {"url": "npipe:////./pipe/docker"}, "url"),
        ("docker", {"certificate": PEM}, "key"),
        ("docker", {"key": PEM}, "certificate"),
    ],
)
def test_a_bad_setting_is_refused_by_its_name(provider, changes, field) -> None:
    base, ref = (PROXMOX, "pve1/100") if provider == "proxmox" else (DOCKER, "web")
    error = refused(provider, base | changes, ref)

    assert error.field == f"providerConfig.{field}"
    assert "5a3e1f00" not in str(error)


@pytest.mark.parametrize("name", ["url", "tokenId", "token"])
def test_a_missing_setting_is_named(name) -> None:
    config = {key: value for key, value in PROXMOX.items() if key != name}

    assert refused("proxmox", config, "pve1/100").code == "missing"


def test_a_misspelt_setting_is_refused() -> None:
    assert refused("proxmox", PROXMOX | {"fingerprnt": "x"}, "pve1/100").code == "unknown_field"


@pytest.mark.parametrize(
    ("provider", "config", "ref"),
    [
        ("proxmox", PROXMOX, ref)
        for ref in (None, "100", "pve1/99", "pve1/0100", "pve1/../100", "a b/100", "pve1/qemu/100")
    ]
    + [("docker", DOCKER, ref) for ref in (None, "../x", "a/b", "-x", "a b")],
)
def test_a_reference_of_another_shape_is_refused(provider, config, ref) -> None:
    assert refused(provider, config, ref).field == "providerRef"


def test_a_pod_that_gets_its_provider_later_is_asked_for_all_of_it() -> None:
    plain = parse_pod({"name": "web", "address": "10.0.0.1"}, NETWORKS)
    with pytest.raises(InputError) as caught:
        parse_pod({"provider": "proxmox", "providerRef": "pve1/100"}, NETWORKS, plain)

    assert caught.value.field == "providerConfig.url"


def stored() -> PodRules:
    return pod("proxmox", PROXMOX, "pve1/100")


def edit(changes: dict, **fields: object) -> PodRules:
    before = PodRules(**{n: getattr(stored(), n) for n in PodRules.__slots__} | {"provider_config": SEALED})
    return parse_pod({"providerConfig": SEALED | changes} | fields, NETWORKS, before)


SEALED = PROXMOX | {"token": {"sealed": "1.abc"}}


def test_a_stored_secret_stays_as_it_is_while_it_goes_to_the_same_place() -> None:
    assert edit({"guestName": "other"}).provider_config == SEALED | {"guestName": "other"}


@pytest.mark.parametrize(
    "changes",
    [{"url": "https://10.0.0.3:8006"}, {"fingerprint": "ab" * 32}, {"ca": PEM}, {"token": {"sealed": "1.xyz"}}],
    ids=["url", "fingerprint", "ca", "another sealed one"],
)
def test_a_stored_secret_is_not_sent_anywhere_else(changes) -> None:
    with pytest.raises(InputError) as caught:
        edit(changes)

    assert caught.value.field == "providerConfig.token"
