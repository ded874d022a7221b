"""What we sign, read by a receiver of its own; and signatures of one place brought to another."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress

import pytest

from podhealth.alerting.channels.webhook import signature as of_alert
from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, ProviderKind
from podhealth.egress import open_networks
from podhealth.healing.providers.base import Options, PodRef
from podhealth.healing.providers.registry import provider_of
from podhealth.healing.providers.webhook import signature as of_heal
from tests.alerting.receiver import a_receiver
from tests.support import cast
from tests.support.cast import Site

site = cast.site
NOW = 1_780_000_000
SECRET = "whsec_" + base64.b64encode(b"a key of 24 bytes or so.").decode()
OTHER = "whsec_" + base64.b64encode(b"another key of 24 bytes.").decode()


def verified(secret: str, headers: dict[str, str], body: bytes, now: int) -> bool:
    """Read a message as docs/alerts.md tells receivers to."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_fresh = abs(now - int(headers["webhook-timestamp"])) <= 300
    return is_fresh and any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split())


def _sent(secret: str = SECRET, name: str = "msg_1", at: int = NOW, body: bytes = b'{"a": 1}') -> dict[str, str]:
    return {
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": of_alert(secret, name, str(at), body),
    }


VECTORS = {
    "as it was sent": (True, SECRET, _sent(), b'{"a": 1}'),
    "another body": (False, SECRET, _sent(), b'{"a": 2}'),
    "another id": (False, SECRET, _sent() | {"webhook-id": "msg_2"}, b'{"a": 1}'),
    "another time": (False, SECRET, _sent() | {"webhook-timestamp": str(NOW + 1)}, b'{"a": 1}'),
    "an old one, sent again": (False, SECRET, _sent(at=NOW - 301), b'{"a": 1}'),
    "another secret": (False, OTHER, _sent(), b'{"a": 1}'),
}


@pytest.mark.attack("A79")
def test_a_receiver_takes_what_we_sign_and_nothing_that_was_changed() -> None:
    assert {name: verified(secret, headers, body, NOW) for name, (_, secret, headers, body) in VECTORS.items()} == {
        name: vector[0] for name, vector in VECTORS.items()
    }


@pytest.mark.attack("A94")
def test_each_channel_signs_by_a_secret_of_its_own(site: Site) -> None:
    admin = site.program("admin")
    made = [
        admin.post(
            "/api/channels", json={"name": f"own {n}", "kind": "webhook", "config": {"url": "https://10.0.0.9/"}}
        )
        for n in range(2)
    ]
    one, other = (answer.json["secret"] for answer in made)

    assert one != other
    assert verified(one, _sent(one), b'{"a": 1}', NOW)
    assert not verified(other, _sent(one), b'{"a": 1}', NOW)


@pytest.mark.attack("A94", "A79")
def test_a_call_for_one_pod_is_signed_for_no_other_pod_action_or_place() -> None:
    open_networks(["127.0.0.0/8"])
    try:
        with a_receiver() as far:
            config = {"url": far.url, "secret": "one-secret-for-two"}
            for pod_id in (7, 8):
                pod = PodRef(pod_id, 1, f"web-{pod_id}", None, config)
                with suppress(ProviderError):  # the answer is no JSON; the call was made
                    provider_of(ProviderKind.WEBHOOK).act(pod, Action.RESTART, f"key-{pod_id}", Options())
    finally:
        open_networks([])
    heads = [{name.lower(): value for name, value in one.headers.items()} for one in far.got]
    bodies = [one.body for one in far.got]
    signed = [next(value for value in head.values() if value.startswith("sha256=")) for head in heads]
    said = [json.loads(body) for body in bodies]

    assert [one["pod"]["id"] for one in said] == [7, 8]  # whom it is for stands in what is signed
    assert signed[0] != signed[1]
    # What heals cannot be taken for what tells, nor one pod's call for the other's.
    times = [next(v for k, v in head.items() if "timestamp" in k) for head in heads]
    assert of_heal("one-secret-for-two", "key-7", times[0], bodies[0]) == signed[0]
    assert of_heal("one-secret-for-two", "key-7", times[0], bodies[1]) != signed[0]
    assert not signed[0].startswith("v1,")
