"""A person's second factor: a time-based code (RFC 6238), and ten recovery codes for a lost phone.

A code counts once: its step is taken by a conditional UPDATE, so of two that send the same one gets in. How often
somebody may try is counted by the caller.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import pyotp
import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError
from podhealth.models import RecoveryCode, Tenant, User
from podhealth.models.base import to_us
from podhealth.store import audit
from podhealth.store.db import db_now
from podhealth.store.people import of_own_chain
from podhealth.store.secrets import open_text, seal_text
from podhealth.store.tenancy import Scope, own

STEP_S = 30
RECOVERY_CODES = 10
_AROUND = 1  # a phone's clock may be a step early or late
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what looks alike
_GROUP = 5
_NAME = "second factor"
_DIGITS = re.compile(r"[0-9]{6}")

Row = sa.Row[Any]


def is_on(conn: sa.Connection, user_id: int) -> bool:
    """Return whether this person is asked for a code at sign-in."""
    return conn.scalar(sa.select(User.totp_since.is_not(None)).where(User.id == user_id)) is True


def is_asked_for(conn: sa.Connection, user_id: int) -> bool:
    """Return whether this person's tenant asks all of its people for one."""
    query = sa.select(Tenant.requires_second_factor).join(User, User.tenant_id == Tenant.id)
    return conn.scalar(query.where(User.id == user_id)) is True


def lacking(conn: sa.Connection, scope: Scope) -> int:
    """Return how many of the tenant's active people have none."""
    has_none = sa.and_(own(scope, User), User.active, User.totp_since.is_(None))
    return conn.scalar(sa.select(sa.func.count()).select_from(User).where(has_none)) or 0


def codes_left(conn: sa.Connection, user_id: int) -> int:
    """Return how many recovery codes this person has not used yet."""
    unused = sa.select(sa.func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return conn.scalar(unused) or 0


def begin(conn: sa.Connection, user_id: int) -> str:
    """Return a secret for this person's phone: a fresh one, or the one that already waits for its first code.

    Nothing is asked at sign-in before ``confirm``. Raises Conflict where the second factor is on.
    """
    row = _row(conn, user_id)
    if row.totp_since is not None:
        raise Conflict("the second factor is on already")
    if row.totp_secret is not None:
        return open_text(row.totp_secret, _tied(user_id), _NAME)
    plain = pyotp.random_base32()
    sealed = seal_text(plain, _tied(user_id), _NAME)
    conn.execute(sa.update(User).where(User.id == user_id).values(totp_secret=sealed))
    return plain


def confirm(conn: sa.Connection, scope: Scope, user_id: int, code: str) -> tuple[str, ...]:
    """Switch the second factor on by its first code, and return the recovery codes, which are shown this once.

    Raises InputError(code) where it does not match, Conflict where nothing waits to be confirmed.
    """
    row = _row(conn, user_id)
    if row.totp_secret is None or row.totp_since is not None:
        raise Conflict("nothing waits to be confirmed; begin again")
    if not _take(conn, row, code):
        raise InputError("code", "does not match; is the phone's clock right?")
    conn.execute(sa.update(User).where(User.id == user_id).values(totp_since=db_now(conn)))
    audit.write(conn, of_own_chain(scope), "second factor switched on", "user", user_id)
    return _fresh_codes(conn, user_id)


def check(conn: sa.Connection, user_id: int, typed: str) -> bool:
    """Return whether this is a code that lets the person in now, and use it up: of the phone, or a recovery code."""
    row = _row(conn, user_id)
    if row.totp_since is None:
        return False
    return _take(conn, row, typed) or _use_recovery(conn, user_id, typed)


def renew_codes(conn: sa.Connection, scope: Scope, user_id: int) -> tuple[str, ...]:
    """Return ten new recovery codes, shown this once; all older ones are worth nothing. Raises Conflict where off."""
    if not is_on(conn, user_id):
        raise Conflict("the second factor is off")
    audit.write(conn, of_own_chain(scope), "recovery codes renewed", "user", user_id)
    return _fresh_codes(conn, user_id)


def switch_off(conn: sa.Connection, scope: Scope, user_id: int) -> None:
    """Ask this person for no code any more; secret and recovery codes are forgotten."""
    conn.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    values: dict[str, None] = {"totp_secret": None, "totp_since": None, "totp_step": None}
    conn.execute(sa.update(User).where(User.id == user_id).values(**values))
    audit.write(conn, of_own_chain(scope), "second factor switched off", "user", user_id)


def address_for_phone(secret: str, email: str) -> str:
    """Return what the QR code says: the otpauth address that apps read."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="PodHealth")


def _row(conn: sa.Connection, user_id: int) -> Row:
    columns: tuple[Any, ...] = (User.id, User.totp_secret, User.totp_since, User.totp_step)
    return conn.execute(sa.select(*columns).where(User.id == user_id).with_for_update()).one()


def _take(conn: sa.Connection, row: Row, typed: str) -> bool:
    code = "".join(typed.split())
    if not _DIGITS.fullmatch(code):
        return False
    step = _matching_step(open_text(row.totp_secret, _tied(row.id), _NAME), code, db_now(conn))
    if step is None:
        return False
    is_new = sa.or_(User.totp_step.is_(None), User.totp_step < step)
    taken = conn.execute(sa.update(User).where(User.id == row.id, is_new).values(totp_step=step))
    return bool(taken.rowcount == 1)


def _matching_step(secret: str, code: str, now: datetime) -> int | None:
    here = to_us(now) // 1_000_000 // STEP_S
    totp = pyotp.TOTP(secret)
    steps = range(here - _AROUND, here + _AROUND + 1)
    # All are compared, so that the time taken says nothing.
    found = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
    return found[-1] if found else None


def _use_recovery(conn: sa.Connection, user_id: int, typed: str) -> bool:
    is_it = (RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _hash(typed), RecoveryCode.used_at.is_(None))
    used = conn.execute(sa.update(RecoveryCode).where(*is_it).values(used_at=db_now(conn)))
    return bool(used.rowcount == 1)


def _fresh_codes(conn: sa.Connection, user_id: int) -> tuple[str, ...]:
    conn.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = tuple(f"{_letters()}-{_letters()}" for _ in range(RECOVERY_CODES))
    conn.execute(sa.insert(RecoveryCode), _rows(user_id, codes, db_now(conn)))
    return codes


def _rows(user_id: int, codes: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    return [{"user_id": user_id, "code_hash": _hash(code), "created_at": now} for code in codes]


def _letters() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))


def _hash(code: str) -> str:
    # 49 random bits, ten tries an hour: a fast hash is enough, a slow one would be a way to keep the server busy.
    plain = "".join(c for c in code.lower() if c in _ALPHABET)
    return sha256(b"podhealth recovery code\n" + plain.encode()).hexdigest()


def _tied(user_id: int) -> str:
    return f"user {user_id}"
