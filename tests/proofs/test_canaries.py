"""Twenty-five secrets, each known by its text, and all places where one could be read: none is anywhere."""

import io
import logging
import zlib
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import redis
import sqlalchemy as sa
from flask_security.utils import hash_password

from podhealth import clock
from podhealth.alerting.channels.email import MailServer
from podhealth.core.words import Role
from podhealth.healing.ask import ref_of
from podhealth.live import parts
from podhealth.live.render import fragment
from podhealth.models import Approval, Pod, User, db
from podhealth.settings import Settings
from podhealth.store import accounts, approval_links, inventory, members, resets, second_factor, walllinks
from podhealth.store.db import read, write
from podhealth.store.secrets import held_key, hold_key
from podhealth.store.tenancy import system_scope
from podhealth.web.access import RULES, Door
from tests.support import cast, matrix
from tests.support.apps import SECRET, an_app
from tests.support.cast import Caller, Site, a_platform_session, a_session

pytestmark = pytest.mark.slow

PEM = "-----BEGIN {0}-----\ncanaryKeyOfDocker{1}\n-----END {0}-----\n"
OF_OPERATOR = {
    "smtp_password": "canary-smtp-password",
    "metrics_token": "canary-metrics-token-20",
    "deadman_url": "https://10.0.0.9/canary-deadman",
}
PATHS = matrix.paths(an_app("sqlite:///nowhere.db"))
PASSWORD = "canary horse battery"


@pytest.fixture
def site(sqlite_engine: sa.Engine, redis_url: str) -> Site:
    engine = sqlite_engine
    url = engine.url.render_as_string(hide_password=False)
    mail = {"smtp_host": "127.0.0.1", "smtp_port": 1, "smtp_from": "ph@example.com", "smtp_user": "ph"}
    app = an_app(url, redis_url, **OF_OPERATOR, **mail, apprise_schemes=("ntfy",), log_level="DEBUG")
    return Site(engine, app, cast.a_cast(engine))


def _planted(site: Site) -> dict[str, str]:
    """Give acme all secrets there can be, by the product's own ways; return each by what it is."""
    admin, house = site.program("admin"), site.acme
    scope = system_scope(house.tenant_id)

    def made(path: str, **fields: Any) -> Any:
        answer = admin.post(path, json=fields)
        assert answer.status_code in (200, 201), (path, answer.text)
        return answer.json

    def a_pod(name: str, provider: str, ref: str | None, **config: str) -> int:
        fields = {"name": name, "address": "10.0.0.7", "provider": provider, "providerConfig": config}
        return int(made("/api/pods", **fields, **({"providerRef": ref} if ref else {}))["id"])

    a_pod("hooked", "webhook", None, url="https://10.0.0.9/", secret="canary-provider-secret")
    a_pod("vm", "proxmox", "pve1/100", url="https://10.0.0.2:8006", tokenId="a@pve!b", token="canary-proxmox-token")
    docker = {"certificate": PEM.format("CERTIFICATE", "Cert"), "key": PEM.format("PRIVATE KEY", "Key")}
    a_pod("box", "docker", "web", url="https://10.0.0.3:2376", **docker)
    pve = {"url": "https://10.0.0.2:8006", "tokenId": "a@pve!b", "token": "canary-source-token"}
    made("/api/sources", name="planted", kind="proxmox", config=pve)
    hook = made("/api/channels", name="hook", kind="webhook", config={"url": "https://10.0.0.9/canary-hook-path"})
    made("/api/channels", name="slack", kind="slack", config={"url": "https://10.0.0.9/services/canary-slack"})
    made("/api/channels", name="ntfy", kind="apprise", config={"url": "ntfy://tk_canary-apprise@10.0.0.9/topic"})
    again = admin.post(f"/api/channels/{hook['id']}/secret").json
    token = made("/api/tokens", name="canary holder", role="viewer")
    session = a_session(site.engine, house.people["adam"])
    with site.app.app_context():
        hashed = hash_password(PASSWORD)
    with write(site.engine) as conn:
        agent = inventory.set_agent_token(conn, scope, house.pod_id)
        conn.execute(sa.update(User).where(User.id == house.people["adam"]).values(password=hashed))
        totp = second_factor.begin(conn, house.people["vic"])
        codes = second_factor.confirm(conn, scope, house.people["vic"], pyotp.TOTP(totp).at(clock.utcnow()))
        wall = walllinks.create_link(conn, scope, "screen 2", "")
        invited = members.invite(conn, scope, "canary@new.example", Role.VIEWER, False)
        link = accounts.create_sign_in_link(conn, house.people["ann"], timedelta(minutes=5))
        resets.ask(conn, "ann@acme.example", None)
        approval_id = conn.scalar(sa.select(Approval.id).where(Approval.tenant_id == house.tenant_id))
    approve = approval_links.token_for(approval_id, "ann@acme.example")
    return {
        **OF_OPERATOR,
        "SECRET_KEY": SECRET,
        "password of the database": "canary-db",
        "password of Redis": "canary-redis",
        "secret of a provider": "canary-provider-secret",
        "token of Proxmox": "canary-proxmox-token",
        "token of a source": "canary-source-token",
        "key of Docker": "canaryKeyOfDockerKey",
        "secret of a channel": hook["secret"],
        "newer secret of a channel": again["secret"],
        "URL of Slack": "canary-slack",
        "URL of Apprise": "canary-apprise",
        "token of the API": token["token"],
        "token that revoked ones had": house.tokens["revoked"],
        "token of an agent": agent,
        "session": session,
        "password": PASSWORD,
        "second factor": totp,
        "recovery code": codes[0],
        "another recovery code": codes[7],
        "link of the wall": wall.rpartition("/")[2],
        "invitation": invited.rpartition("/")[2],
        "link to sign in": link,
        "link to approve": approve,
        "hash of the password": hashed,
    }


def _everything_shown(site: Site) -> dict[str, str]:
    """All that anybody is shown: pages, answers, exports, figures, files of configuration, by who asked for what."""
    who = {
        "adam": site.browser("adam"),
        "vic": site.browser("vic"),
        "platform": Caller(site.app, session=a_platform_session(site.engine, site.acme.tenant_id)),
        "admin": site.program("admin"),
    }
    shown = {}
    for path in PATHS:
        if "GET" not in path.endpoints or path.is_socket:
            continue
        names = ("admin",) if RULES[path.endpoints["GET"]].door is Door.API else ("adam", "vic", "platform")
        for name in names:
            answer = who[name].get(matrix.address(site, path, matrix.Cell(matrix.IDENTITIES[3], "GET", path.which[0])))
            shown[f"{name}: {path.text}"] = f"{answer.get_data(as_text=True)}\n{answer.headers}"
    metrics = site.nobody().get("/metrics", headers={"Authorization": f"Bearer {OF_OPERATOR['metrics_token']}"})
    shown["metrics"] = metrics.text
    for table in ("pods", "channels", "sources", "policies"):
        for row in site.program("admin").get(f"/api/{table}").json:
            if isinstance(row, dict) and "id" in row:
                shown[f"/api/{table}/{row['id']}"] = site.program("admin").get(f"/api/{table}/{row['id']}").text
                for page in (
                    f"/{table}/{row['id']}/edit",
                    f"/{table}/{row['id']}",
                    f"/inventory/sources/{row['id']}/edit",
                ):
                    shown[page] = who["adam"].get(page).text
    return shown


def _pushed(site: Site) -> str:
    with read(site.engine) as conn:
        drawn = [
            str(fragment(piece.name, piece.view))
            for part in parts.ALL.values()
            for pieces in part.render(conn, site.acme.tenant_id, range(60), clock.utcnow()).values()
            for piece in pieces.elements
        ]
    return "\n".join(drawn)


def _in_redis(client: redis.Redis) -> str:
    found = []
    for key in client.keys("*"):
        kind = client.type(key).decode()
        value = {"string": client.get, "hash": client.hgetall, "list": lambda k: client.lrange(k, 0, -1)}.get(kind)
        found += [repr(key), repr(value(key) if value else client.zrange(key, 0, -1) if kind == "zset" else kind)]
        with suppress(Exception):
            found.append(zlib.decompress(client.hget(key, "data")).decode())
    return "\n".join(found)


def _in_database(engine: sa.Engine, *but: str) -> str:
    found = []
    with read(engine) as conn:
        for table in db.metadata.sorted_tables:
            columns = [column for column in table.c if f"{table.name}.{column.name}" not in but]
            found.append(repr(conn.execute(sa.select(*columns)).all()))
    return "\n".join(found)


@pytest.mark.attack("A75", "A77")
def test_none_of_25_secrets_is_shown_pushed_logged_queued_or_stored_in_clear(
    site: Site, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, log = held_key(), io.StringIO()
    hold_key(SECRET)
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        planted = _planted(site)
        shown = _everything_shown(site)
        pushed = _pushed(site)
        with read(site.engine) as conn:
            pods = conn.execute(
                sa.select(Pod.__table__, Pod.id.label("pod_id")).where(Pod.provider_config.is_not(None))
            )
            told = [repr(row) for row in map(ref_of, pods)]
    finally:
        logging.getLogger().removeHandler(handler)
        hold_key(before)
    settings = Settings(
        DATABASE_URL="postgresql://u:canary-db@h/x", REDIS_URL="unix:///x", SECRET_KEY=SECRET, **OF_OPERATOR
    )
    server = MailServer("h", 1, "tls", "a@b.example", "u", OF_OPERATOR["smtp_password"])
    places = shown | {
        "pushed": pushed,
        "logged": log.getvalue(),
        "in Redis": _in_redis(redis_server),
        "told by repr": f"{told}{settings!r}{server!r}",
        # The hash of a password is what is stored of it, and Argon2's own business.
        "stored": _in_database(site.engine, "users.password"),
    }
    found = {(what, where) for where, text in places.items() for what, secret in planted.items() if secret in text}

    assert len(planted) >= 25
    assert len(shown) > 150
    assert found == set()
