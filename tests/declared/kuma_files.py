"""Files as Uptime Kuma writes them: the tables and columns of its database, the shape of its backup."""

import json
import sqlite3
from pathlib import Path
from typing import Any

# Of the schema of 1.23 and 2.x, what has to do with monitoring: the types and defaults are theirs.
_TABLES = """
CREATE TABLE monitor (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(150), active BOOLEAN NOT NULL DEFAULT 1,
  user_id INTEGER, interval INTEGER NOT NULL DEFAULT 20, url TEXT, type VARCHAR(20), weight INTEGER DEFAULT 2000,
  hostname VARCHAR(255), port INTEGER, created_date DATETIME DEFAULT (DATETIME('now')), keyword VARCHAR(255),
  maxretries INTEGER NOT NULL DEFAULT 0, ignore_tls BOOLEAN NOT NULL DEFAULT 0, upside_down BOOLEAN NOT NULL DEFAULT 0,
  maxredirects INTEGER NOT NULL DEFAULT 10, accepted_statuscodes_json TEXT NOT NULL DEFAULT '["200-299"]',
  dns_resolve_type VARCHAR(5), dns_resolve_server VARCHAR(255), retry_interval INTEGER NOT NULL DEFAULT 0,
  push_token VARCHAR(32), method TEXT NOT NULL DEFAULT 'GET', body TEXT, headers TEXT, basic_auth_user TEXT,
  basic_auth_pass TEXT, docker_host INTEGER, docker_container VARCHAR(255), proxy_id INTEGER,
  expiry_notification BOOLEAN DEFAULT 1, auth_method VARCHAR(250), resend_interval INTEGER NOT NULL DEFAULT 0,
  packet_size INTEGER NOT NULL DEFAULT 56, description TEXT, parent INTEGER, invert_keyword BOOLEAN NOT NULL DEFAULT 0,
  json_path TEXT, expected_value VARCHAR(255), timeout DOUBLE NOT NULL DEFAULT 0,
  ping_count INTEGER NOT NULL DEFAULT 1);
CREATE TABLE tag (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL, color VARCHAR(255) NOT NULL);
CREATE TABLE monitor_tag (id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL, tag_id INTEGER NOT NULL, value TEXT);
CREATE TABLE notification (id INTEGER PRIMARY KEY, name VARCHAR(255), active BOOLEAN NOT NULL DEFAULT 1,
  user_id INTEGER, is_default BOOLEAN NOT NULL DEFAULT 0, config TEXT);
CREATE TABLE monitor_notification (id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL,
  notification_id INTEGER NOT NULL);
CREATE TABLE maintenance (id INTEGER PRIMARY KEY, title VARCHAR(150) NOT NULL, description TEXT NOT NULL,
  user_id INTEGER, active BOOLEAN NOT NULL DEFAULT 1, strategy VARCHAR(50) NOT NULL DEFAULT 'single',
  start_date DATETIME, end_date DATETIME, start_time TIME, end_time TIME, weekdays VARCHAR2(250) DEFAULT '[]',
  days_of_month TEXT DEFAULT '[]', interval_day INTEGER, cron TEXT, timezone VARCHAR(255), duration INTEGER);
CREATE TABLE monitor_maintenance (id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL, maintenance_id INTEGER NOT NULL);
CREATE TABLE setting (id INTEGER PRIMARY KEY, key VARCHAR(200) NOT NULL UNIQUE, value TEXT, type VARCHAR(20));
CREATE TABLE status_page (id INTEGER PRIMARY KEY, slug VARCHAR(255) NOT NULL, title VARCHAR(255) NOT NULL);
CREATE TABLE docker_host (id INTEGER PRIMARY KEY, user_id INT NOT NULL, docker_daemon VARCHAR(255), name VARCHAR(255));
"""

MONITORS: list[dict[str, Any]] = [
    {"id": 1, "name": "Shop", "type": "group"},
    {
        "id": 2,
        "name": "Shop page",
        "type": "keyword",
        "url": "https://shop.example:8443/health?full=1",
        "keyword": "all good",
        "parent": 1,
        "interval": 30,
        "timeout": 24,
        "maxretries": 2,
        "accepted_statuscodes": ["200-299", "304"],
        "headers": '{"X-Probe": "kuma", "Host": "www.shop.example"}',
        "ignoreTls": True,
    },
    {"id": 3, "name": "Shop database", "type": "port", "hostname": "shop.example", "port": 5432, "interval": 60},
    {"id": 4, "name": "Router", "type": "ping", "hostname": "10.0.0.1", "interval": 20, "active": 0, "ping_count": 3},
    {"id": 5, "name": "Backup job", "type": "push", "pushToken": "canary-push-token"},
    {
        "id": 6,
        "name": "Admin",
        "type": "http",
        "url": "https://10.0.0.2/",
        "basic_auth_user": "root",
        "basic_auth_pass": "canary-pass",
    },
    {
        "id": 7,
        "name": "Token",
        "type": "http",
        "url": "http://10.0.0.3/",
        "headers": '{"Authorization": "Bearer canary-bearer"}',
    },
    {"id": 8, "name": "Opposite", "type": "http", "url": "http://10.0.0.4/", "upsideDown": True},
    {"id": 9, "name": "Name server", "type": "dns", "hostname": "example.com"},
    {
        "id": 10,
        "name": "Slow",
        "type": "http",
        "url": "http://10.0.0.5/",
        "interval": 300,
        "timeout": 240,
        "maxretries": 40,
    },
    {
        "id": 11,
        "name": "Query",
        "type": "json-query",
        "url": "http://10.0.0.6/x",
        "jsonPath": "$.ok",
        "expectedValue": "true",
    },
    {"id": 12, "name": "Upload", "type": "http", "url": "http://10.0.0.7/", "method": "PUT"},
    {"id": 13, "name": "Container", "type": "docker", "docker_container": "web", "docker_host": 1},
]
NOTIFICATIONS: list[dict[str, Any]] = [
    {"id": 1, "name": "Ops", "config": {"type": "slack", "slackwebhookURL": "https://hooks.slack.com/services/canary"}},
    {
        "id": 2,
        "name": "Chat",
        "config": {"type": "discord", "discordWebhookUrl": "https://discord.com/api/webhooks/12/canary-discord"},
    },
    {
        "id": 3,
        "name": "Mail",
        "config": {"type": "smtp", "smtpTo": "a@b.example, c@d.example", "smtpPassword": "canary-smtp"},
    },
    {"id": 4, "name": "Pager", "config": {"type": "PagerDuty", "pagerdutyIntegrationKey": "canary-pager"}},
]
TOLD = {2: [1, 2, 3], 3: [1, 3], 4: [3], 10: [3], 11: [3]}  # by monitor
_COLUMNS = {
    "ignoreTls": "ignore_tls",
    "upsideDown": "upside_down",
    "pushToken": "push_token",
    "jsonPath": "json_path",
    "expectedValue": "expected_value",
}


def backup(folder: Path) -> Path:
    """The JSON backup of 1.x; its lists hold what the dashboard's socket sends."""
    monitors = []
    for row in MONITORS:
        told = {str(number): True for number in TOLD.get(row["id"], [])}
        tags = [{"name": "prod", "value": "", "color": "#f00"}] if row["id"] == 2 else []
        usual = {"active": 1, "interval": 60, "maxretries": 0, "maxredirects": 10, "accepted_statuscodes": ["200-299"]}
        monitors.append(usual | row | {"notificationIDList": told, "tags": tags})
    notifications = [row | {"active": True, "config": json.dumps(row["config"])} for row in NOTIFICATIONS]
    path = folder / "Uptime_Kuma_Backup.json"
    value = {"version": "1.23.16", "notificationList": notifications, "monitorList": monitors, "proxyList": []}
    path.write_text(json.dumps(value))
    return path


def database(folder: Path) -> Path:
    """A database of theirs with maintenances, which backups do not have."""
    path = folder / "kuma.db"
    connection = sqlite3.connect(path)
    connection.executescript(_TABLES)
    for row in MONITORS:
        values = {_COLUMNS.get(name, name): value for name, value in row.items()}
        if codes := values.pop("accepted_statuscodes", None):
            values["accepted_statuscodes_json"] = json.dumps(codes)
        _insert(connection, "monitor", {"interval": 60, "expiry_notification": 0} | values)
    for row in NOTIFICATIONS:
        _insert(connection, "notification", row | {"config": json.dumps(row["config"])})
    for monitor_id, numbers in TOLD.items():
        for number in numbers:
            _insert(connection, "monitor_notification", {"monitor_id": monitor_id, "notification_id": number})
    _insert(connection, "tag", {"id": 1, "name": "prod", "color": "#f00"})
    _insert(connection, "monitor_tag", {"monitor_id": 2, "tag_id": 1, "value": ""})
    _insert(connection, "setting", {"key": "serverTimezone", "value": '"Europe/Berlin"'})
    _insert(connection, "status_page", {"slug": "s", "title": "S"})
    for row, monitor_id in MAINTENANCES:
        _insert(connection, "maintenance", {"description": "work"} | row)
        _insert(connection, "monitor_maintenance", {"monitor_id": monitor_id, "maintenance_id": row["id"]})
    connection.commit()
    connection.close()
    return path


MAINTENANCES: list[tuple[dict[str, Any], int]] = [
    ({"id": 1, "title": "Move", "start_date": "2030-05-01 22:00:00", "end_date": "2030-05-02 01:30:00"}, 2),
    (
        {"id": 2, "title": "Weekly", "strategy": "recurring-weekday", "weekdays": "[0,3]", "timezone": "SAME_AS_SERVER"}
        | {"start_time": "23:00:00", "end_time": "01:00:00"},
        2,
    ),
    (
        {"id": 3, "title": "Monthly", "strategy": "recurring-day-of-month", "days_of_month": '[1,"lastDay1"]'}
        | {"start_time": "02:00:00", "end_time": "03:00:00", "timezone": "UTC", "end_date": "2031-01-01 00:00:00"},
        4,
    ),
    ({"id": 4, "title": "Cron", "strategy": "cron", "cron": "0 3 * * *", "duration": 60}, 2),
    ({"id": 5, "title": "By hand", "strategy": "manual"}, 2),
    ({"id": 6, "title": "Of nothing", "start_date": "2030-05-01 22:00", "end_date": "2030-05-01 23:00"}, 5),
]


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608
