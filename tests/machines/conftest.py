"""Databases for machines, and the count of what they lived through."""

import pytest
import sqlalchemy as sa

from tests.machines.living import Counted, Databases, databases_like


@pytest.fixture
def databases(engine: sa.Engine, request: pytest.FixtureRequest) -> Databases:
    """Empty databases, one for each life, on SQLite and on PostgreSQL."""
    return databases_like(engine, request)


@pytest.fixture
def lite_databases(sqlite_engine: sa.Engine, request: pytest.FixtureRequest) -> Databases:
    """Empty databases on SQLite alone."""
    return databases_like(sqlite_engine, request)


@pytest.fixture
def counted(record_property: pytest.FixtureRequest, request: pytest.FixtureRequest) -> Counted:
    """``counted("Checks", "steps", 1000)``: what this test has lived through."""
    kinds = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
    on = next((name for kind, name in kinds.items() if kind in request.node.name), "")
    if not on:
        on = "SQLite" if {"sqlite_engine", "site"} & {*request.fixturenames} else "no database"

    def note(machine: str, unit: str, number: int, lives: int = 0) -> None:
        said = {"machine": machine, "database": on, "unit": unit, "number": number, "lives": lives}
        for name, value in said.items():
            record_property(name, value)  # type: ignore[operator]
        print(f"{machine} on {on}: {number} {unit}")

    return note
