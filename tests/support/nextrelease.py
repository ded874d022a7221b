"""A checkout of the release after this one: the same programs, and one more revision of the schema.

What it adds is what a release may add while the one before still runs (CONTRIBUTING.md): a table, a column that may be
empty, one with a default, an index.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from podhealth.store import revision

_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("podhealth", "migrations", "tests/support")
_REST = ("templates", "static")
_REVISION = '''"""A next release's revision."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{after}", "{before}", None, None


def upgrade() -> None:
    op.create_table("colours", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))
    op.add_column("pods", sa.Column("colour", sa.String(20)))
    op.add_column("check_states", sa.Column("shade", sa.Integer, nullable=False, server_default="7"))
    op.create_index("ix_pods_colour", "pods", ["tenant_id", "colour"])


def downgrade() -> None:
    raise NotImplementedError
'''


def make(folder: Path) -> Path:
    """Make the checkout there and return where it is."""
    for name in _CODE:
        shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _REST:
        (folder / name).symlink_to(_ROOT / name)
    (folder / "tests" / "__init__.py").touch()
    before = revision.newest()
    after = f"{int(before) + 1:04d}"
    (folder / "migrations" / "versions" / f"{after}_next.py").write_text(_REVISION.format(after=after, before=before))
    return folder


def command(checkout: Path, environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run ``podhealth WORDS…`` of that checkout to its end."""
    run = [sys.executable, "-m", "podhealth", *words]
    own = os.environ | {"PYTHONPATH": str(checkout)} | environment
    return subprocess.run(run, env=own, cwd=checkout, capture_output=True, text=True, timeout=120, check=False)
