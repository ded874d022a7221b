"""Reads what Uptime Kuma keeps: its backup (JSON, of 1.x) or its database (SQLite, of 1.x and 2.x), into one shape.

The shape is the backup's: the database's columns are renamed to it. The database is opened for reading only.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podhealth.core.errors import InputError

_MAGIC = b"SQLite format 3\x00"
_LARGEST_JSON = 32 * 1024 * 1024
_MOST_ROWS = 20_000
_RENAMED = {
    "ignore_tls": "ignoreTls",
    "upside_down": "upsideDown",
    "expiry_notification": "expiryNotification",
    "retry_interval": "retryInterval",
    "resend_interval": "resendInterval",
    "proxy_id": "proxyId",
    "push_token": "pushToken",
    "auth_method": "authMethod",
    "invert_keyword": "invertKeyword",
    "json_path": "jsonPath",
    "expected_value": "expectedValue",
    "packet_size": "packetSize",
}

Row = dict[str, Any]


@dataclass
class Kuma:
    """What Uptime Kuma has. ``maintenances`` carry the ids of their monitors; ``others`` are counts of what else."""

    monitors: list[Row]
    notifications: list[Row]
    maintenances: list[Row] = field(default_factory=list)
    zone: str | None = None
    expiry_days: int | None = None
    others: dict[str, int] = field(default_factory=dict)


def read_kuma(path: Path) -> Kuma:
    """Return what the file holds. Raises InputError(FILE) where it is neither, or cannot be read."""
    try:
        with path.open("rb") as opened:
            is_database = opened.read(len(_MAGIC)) == _MAGIC
        return _from_database(path) if is_database else _from_backup(path)
    except OSError as error:
        raise InputError("FILE", f"{path} cannot be read: {error.strerror}") from None
    except sqlite3.Error as error:
        raise InputError("FILE", f"{path} is no database of Uptime Kuma: {error}") from None


def _from_backup(path: Path) -> Kuma:
    if path.stat().st_size > _LARGEST_JSON:
        raise InputError("FILE", "is larger than a backup can be")
    try:
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise InputError("FILE", "is neither a JSON backup nor a SQLite database of Uptime Kuma") from None
    if not isinstance(value, dict) or "monitorList" not in value:
        raise InputError("FILE", "is no backup of Uptime Kuma: it has no monitorList")
    proxies = _rows(value.get("proxyList"))
    others = {"proxies": len(proxies)} if proxies else {}
    return Kuma(_rows(value["monitorList"]), _rows(value.get("notificationList")), others=others)


def _rows(value: Any) -> list[Row]:
    listed: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in listed if isinstance(one, dict)]


def _from_database(path: Path) -> Kuma:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True)
    try:
        connection.row_factory = sqlite3.Row
        return _Database(connection).kuma()
    finally:
        connection.close()


class _Database:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {row[0] for row in names}

    def kuma(self) -> Kuma:
        if "monitor" not in self._tables:
            raise InputError("FILE", "is no database of Uptime Kuma: it has no table monitor")
        settings = {row["key"]: row["value"] for row in self._all("setting")}
        kuma = Kuma([self._monitor(row) for row in self._all("monitor")], self._all("notification"))
        self._join(kuma.monitors)
        kuma.maintenances = self._maintenances()
        kuma.zone = _text(settings.get("serverTimezone"))
        kuma.expiry_days = _most_days(settings.get("tlsExpiryNotifyDays"))
        for table in ("status_page", "proxy", "docker_host", "api_key", "remote_browser"):
            if count := len(self._all(table)):
                kuma.others[table.replace("_", " ")] = count
        return kuma

    def _all(self, table: str) -> list[Row]:
        if table not in self._tables:
            return []
        query = f'SELECT * FROM "{table}" LIMIT {_MOST_ROWS}'  # noqa: S608 - names of ours
        return [dict(row) for row in self._connection.execute(query)]

    def _monitor(self, row: Row) -> Row:
        codes = _json(row.pop("accepted_statuscodes_json", None))
        renamed = {_RENAMED.get(name, name): value for name, value in row.items()}
        return {**renamed, "accepted_statuscodes": codes, "tags": [], "notificationIDList": {}}

    def _join(self, monitors: list[Row]) -> None:
        by_id = {row["id"]: row for row in monitors}
        tags = {row["id"]: row["name"] for row in self._all("tag")}
        for row in self._all("monitor_tag"):
            if row["monitor_id"] in by_id and row["tag_id"] in tags:
                tag = {"name": tags[row["tag_id"]], "value": row.get("value")}
                by_id[row["monitor_id"]]["tags"].append(tag)
        for row in self._all("monitor_notification"):
            if row["monitor_id"] in by_id:
                by_id[row["monitor_id"]]["notificationIDList"][str(row["notification_id"])] = True

    def _maintenances(self) -> list[Row]:
        whom: dict[int, list[int]] = defaultdict(list)
        for row in self._all("monitor_maintenance"):
            whom[row["maintenance_id"]].append(row["monitor_id"])
        return [{**row, "monitors": whom[row["id"]]} for row in self._all("maintenance")]


def _json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str | None:
    found = _json(value)
    return found if isinstance(found, str) else None


def _most_days(value: Any) -> int | None:
    found = _json(value)
    days = [one for one in found if type(one) is int] if isinstance(found, list) else []
    return max(days, default=None)


def as_list(value: Any) -> list[Any]:
    """Return a list that the database keeps as JSON text."""
    found = _json(value)
    return found if isinstance(found, list) else []


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return an object that Uptime Kuma keeps as JSON text."""
    found = _json(value)
    return found if isinstance(found, dict) else {}
