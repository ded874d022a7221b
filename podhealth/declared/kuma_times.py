"""Uptime Kuma's maintenances as windows of ours, where a rule of ours can say when they are."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.window_rules import is_zone, parse_window
from podhealth.declared.fields import Fields
from podhealth.declared.foreign import Foreign, plain_name
from podhealth.declared.kuma_file import Row, as_list

_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")  # Sunday is 0 there
_LAST = {f"lastDay{number}": -number for number in range(1, 5)}
_SAME_ZONE = (None, "", "SAME_AS_SERVER")
_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001 - a clock on the wall; the day from which a rule without begin holds


def window_of(foreign: Foreign, row: Row, names: Mapping[Any, str], zone: str | None) -> None:
    """Take a maintenance as a window, or say why it is none."""
    name = plain_name(row.get("title"))
    what = f"maintenance {name}"
    zone = zone if row.get("timezone") in _SAME_ZONE else str(row["timezone"])
    if zone is None or not is_zone(zone):
        foreign.leave(what, "its time zone is that of its server, which the file does not tell")
        return
    monitors = [names[one] for one in row.get("monitors", []) if one in names]
    pods = {pod for pod in map(foreign.pod_of, monitors) if pod is not None}
    if not pods:
        foreign.leave(what, "none of its monitors has become a check")
        return
    try:
        times = _times(row)
        reason = plain_name(row.get("description") or name)
        window: Fields = {"name": name, "reason": reason, "zone": zone, **times}
        parse_window({**window, "allPods": True})
    except (ValueError, InputError) as error:
        foreign.leave(what, str(error))
        return
    foreign.change(what, "it is about whole pods, with all checks that they have")
    off: Fields = {} if row.get("active") not in (0, False) else {"enabled": False}
    foreign.windows.append({**window, "pods": sorted(pods), **off})


def _times(row: Row) -> Fields:
    strategy = row.get("strategy")
    if strategy == "single":
        begin, end = _moment(row.get("start_date")), _moment(row.get("end_date"))
        if begin is None or end is None:
            raise ValueError("it has no begin or no end")
        return {"starts": f"{begin:%Y-%m-%dT%H:%M}", "minutes": _minutes(end - begin)}
    rule = _rule(row, str(strategy))
    begin_time, end_time = _clock(row.get("start_time")), _clock(row.get("end_time"))
    length = (end_time - begin_time) % timedelta(days=1)
    day = _moment(row.get("start_date"))
    if day is None and "INTERVAL" in rule:
        raise ValueError("it comes each few days, and the file does not tell from which day on")
    first = (day or _LONG_AGO).replace(hour=0, minute=0, second=0) + begin_time
    until = _moment(row.get("end_date"))
    rule += f";UNTIL={until:%Y%m%d}" if until is not None else ""
    return {"starts": f"{first:%Y-%m-%dT%H:%M}", "minutes": _minutes(length), "recurrence": rule}


def _rule(row: Row, strategy: str) -> str:
    if strategy == "recurring-interval":
        days = row.get("interval_day")
        return "FREQ=DAILY" + (f";INTERVAL={days}" if type(days) is int and days > 1 else "")
    if strategy == "recurring-weekday":
        listed = [one for one in as_list(row.get("weekdays")) if type(one) is int and 0 <= one < len(_DAYS)]
        if not listed:
            raise ValueError("it names no day of the week")
        return "FREQ=WEEKLY;BYDAY=" + ",".join(_DAYS[one] for one in listed)
    if strategy == "recurring-day-of-month":
        numbers = [_LAST.get(str(one), one) for one in as_list(row.get("days_of_month"))]
        if not numbers or not all(type(one) is int for one in numbers):
            raise ValueError("it names no day of the month")
        return "FREQ=MONTHLY;BYMONTHDAY=" + ",".join(map(str, numbers))
    raise ValueError(f"its strategy {strategy[:30]} has no rule here: make a window, or snooze its pods")


def _moment(value: Any) -> datetime | None:
    if not value:
        return None
    text = str(value).replace(" ", "T").replace("Z", "")[:16]
    return datetime.fromisoformat(text)


def _clock(value: Any) -> timedelta:
    hours, minutes, *_ = str(value).split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
