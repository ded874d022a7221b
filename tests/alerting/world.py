"""A tenant that tells people: its channels, pods in incidents, notices as the healer writes them, and time that moves.

Relay and deliverer are the product's own, called one step at a time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.alerting import relay
from podhealth.alerting.deliver import Deliverer
from podhealth.core.channel_fields import Platform
from podhealth.core.words import Actor, ApprovalState, IncidentCause, MessageState, NoticeKind, Role, Severity
from podhealth.models import Approval, Channel, Delivery, Incident, IncidentMember, Message, Notice, Telling
from podhealth.settings import Settings
from podhealth.store import channels, notices
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_pod, a_policy, a_tenant, an_episode

PLATFORM = Platform(("127.0.0.0/8",), ("json", "ntfy"), has_mail=True)
SECRET = "of-the-tests-only-" + "x" * 32


def settings(engine: sa.Engine, **more: Any) -> Settings:
    url = engine.url.render_as_string(hide_password=False)
    given = {"DATABASE_URL": url, "REDIS_URL": "unix:///nowhere/redis.sock", "SECRET_KEY": SECRET}
    return Settings(**(given | {"public_url": "https://podhealth.example", "demo_loopback": True} | more))


class World:
    """One tenant on a database."""

    def __init__(self, engine: sa.Engine, name: str = "acme") -> None:
        self.engine = engine
        self._count = 0
        with write(engine) as conn:
            self.scope = Scope(a_tenant(conn, name), Role.ADMIN, Actor.USER, "ann")

    def deliverer(self, **more: Any) -> Deliverer:
        return Deliverer(self.engine, settings(self.engine, **more))

    def channel(self, url: str = "http://127.0.0.1:9/hook", *routes: Mapping[str, Any], **fields: Any) -> int:
        """A web hook, or what ``fields`` say."""
        self._count += 1
        given = {"name": f"c{self._count}", "kind": "webhook", "config": {"url": url}, "routes": list(routes)}
        with write(self.engine) as conn:
            return int(channels.create_channel(conn, self.scope, given | fields, PLATFORM).row.id)

    def pod(self, name: str | None = None, **columns: Any) -> int:
        self._count += 1
        with write(self.engine) as conn:
            return a_pod(conn, self.scope.tenant_id, name or f"web-{self._count}", **columns)

    def incident(self, *pods: int, **columns: Any) -> int:
        """An incident of these pods, or of a new one, opened now; nothing is told of it yet."""
        pods = pods or (self.pod(),)
        with write(self.engine) as conn:
            now = db_now(conn)
            values = {"tenant_id": self.scope.tenant_id, "cause": IncidentCause.POD, "cause_key": f"pod:{pods[0]}"}
            values |= {"severity": Severity.CRITICAL, "title": f"web-{pods[0]} is unhealthy", "opened_at": now}
            values |= {"updated_at": now, "bad_since": now - timedelta(seconds=50)}
            query = sa.insert(Incident).values(**(values | columns)).returning(Incident.id)
            incident_id = int(conn.execute(query).scalar_one())
            own = {"tenant_id": self.scope.tenant_id, "incident_id": incident_id, "joined_at": now}
            conn.execute(sa.insert(IncidentMember), [own | {"pod_id": pod_id} for pod_id in pods])
        return incident_id

    def notice(
        self,
        kind: str = "unhealthy",
        incident_id: int | None = None,
        text: str | None = None,
        severity: str = "critical",
        **fields: Any,
    ) -> int:
        """Something to be told, as of now."""
        self._count += 1
        key = fields.pop("key", f"test:{self._count}")
        with write(self.engine) as conn:
            given = {"severity": Severity(severity), "incident_id": incident_id, "now": db_now(conn)} | fields
            said = text or f"{kind} {self._count}"
            notices.tell(conn, self.scope.tenant_id, NoticeKind(kind), key, said, **given)
            return int(conn.scalar(sa.select(sa.func.max(Notice.id))) or 0)

    def trouble(self, **columns: Any) -> int:
        """An incident of a new pod, and the notice that it is unhealthy."""
        pod_id = self.pod(**columns)
        incident_id = self.incident(pod_id)
        self.notice("unhealthy", incident_id, pod_id=pod_id)
        return incident_id

    def recover(self, incident_id: int, reason: str = "recovered") -> None:
        """The incident is over, and its notice written."""
        with write(self.engine) as conn:
            now = db_now(conn)
            over = {"recovered_at": now, "close_reason": reason, "updated_at": now}
            conn.execute(sa.update(Incident).where(Incident.id == incident_id).values(**over))
            members = sa.update(IncidentMember).where(IncidentMember.incident_id == incident_id)
            conn.execute(members.values(left_at=now))
        self.notice("recovered", incident_id, f"incident {incident_id} is healthy again")

    def many_troubles(self, number: int) -> None:
        """So many incidents of new pods at once, each with its notice."""
        with write(self.engine) as conn:
            now = db_now(conn)
            for _ in range(number):
                self._count += 1
                own = {"tenant_id": self.scope.tenant_id, "severity": Severity.CRITICAL}
                values = own | {"cause": IncidentCause.POD, "cause_key": f"pod:m{self._count}", "opened_at": now}
                values |= {"title": f"m{self._count} is unhealthy", "updated_at": now, "bad_since": now}
                query = sa.insert(Incident).values(**values).returning(Incident.id)
                incident_id = conn.execute(query).scalar_one()
                told = {"kind": NoticeKind.UNHEALTHY, "cause_key": f"m:{self._count}", "incident_id": incident_id}
                conn.execute(sa.insert(Notice).values(**own, **told, text="is unhealthy", at=now))

    def recover_all(self) -> None:
        """All incidents are over."""
        with write(self.engine) as conn:
            now = db_now(conn)
            conn.execute(sa.update(Incident).values(recovered_at=now, close_reason="recovered", updated_at=now))

    def approval(self, pod_id: int, state: ApprovalState = ApprovalState.WANTED) -> int:
        """A question whether to restart the pod."""
        with write(self.engine) as conn:
            now = db_now(conn)
            episode_id = an_episode(conn, pod_id, a_policy(conn, self.scope.tenant_id, f"p{pod_id}"))
            values = {"tenant_id": self.scope.tenant_id, "pod_id": pod_id, "episode_id": episode_id, "attempt": 1}
            values |= {"action": "restart", "reason": "http failed", "state": state, "wanted_at": now}
            query = sa.insert(Approval).values(**values, lapses_at=now + timedelta(hours=1)).returning(Approval.id)
            return int(conn.execute(query).scalar_one())

    def receives(self, channel_id: int) -> None:
        """All that waits for the channel is taken as told, without anything being sent."""
        with write(self.engine) as conn:
            waits = (Message.channel_id == channel_id, Message.state == MessageState.WAITING)
            conn.execute(sa.update(Message).where(*waits).values(state=MessageState.SENT, sent_at=db_now(conn)))

    def take(self, channel_id: int, after_s: float = 0.0) -> None:
        """Relay, and take what comes as told."""
        self.relay(after_s)
        self.receives(channel_id)

    def open_tellings(self) -> int:
        with read(self.engine) as conn:
            query = sa.select(sa.func.count()).select_from(Telling).where(Telling.ended_at.is_(None))
            return int(conn.execute(query).scalar_one())

    def change(self, model: Any, row_id: int, **values: Any) -> None:
        with write(self.engine) as conn:
            conn.execute(sa.update(model).where(sa.inspect(model).primary_key[0] == row_id).values(**values))

    def advance(self, seconds: float) -> datetime:
        clock.shift(clock.shifted() + timedelta(seconds=seconds))
        return clock.utcnow()

    def relay(self, after_s: float = 0.0) -> None:
        if after_s:
            self.advance(after_s)
        relay.run(self.engine)

    def deliver(self, deliverer: Deliverer | None = None, after_s: float = 0.0) -> int:
        """Tell all that may be told now; return how many tries that took."""
        if after_s:
            self.advance(after_s)
        hand, tries = deliverer or self.deliverer(), 0
        while (message := hand.take()) is not None:
            hand.tell(message)
            tries += 1
        return tries

    def turn(self, after_s: float = 0.0) -> int:
        """Relay, then deliver."""
        self.relay(after_s)
        return self.deliver()

    def messages(self, channel_id: int | None = None, told: bool = True) -> list[sa.Row[Any]]:
        """The messages with words (``told``: not those that gather or were dropped), in their order."""
        query = sa.select(Message.__table__).order_by(Message.id)
        if channel_id is not None:
            query = query.where(Message.channel_id == channel_id)
        if told:
            query = query.where(Message.state.not_in((MessageState.GATHERING, MessageState.DROPPED)))
        with read(self.engine) as conn:
            return list(conn.execute(query).all())

    def kinds(self, channel_id: int | None = None) -> list[str]:
        return [message.kind.value for message in self.messages(channel_id)]

    def tries(self) -> list[sa.Row[Any]]:
        with read(self.engine) as conn:
            return list(conn.execute(sa.select(Delivery.__table__).order_by(Delivery.id)).all())

    def row(self, channel_id: int) -> sa.Row[Any]:
        with read(self.engine) as conn:
            return conn.execute(sa.select(Channel.__table__).where(Channel.id == channel_id)).one()


def one_told(world: World) -> int:
    """One incident whose first message is due."""
    incident = world.trouble()
    world.relay()
    world.relay(after_s=11)
    return incident


def state(world: World) -> list[str]:
    """How each message stands, in order."""
    return [message.state.value for message in world.messages()]
