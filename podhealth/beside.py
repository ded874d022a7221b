"""Where the files lie that are no Python: beside the package in a checkout, inside it where a wheel was installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def beside(name: str) -> Path:
    """Return where ``templates``, ``static``, ``migrations``, ``scenarios`` or ``Procfile`` is."""
    installed = _PACKAGE / "_beside" / name
    return installed if installed.exists() else _PACKAGE.parent / name
