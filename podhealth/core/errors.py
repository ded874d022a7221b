"""The exceptions that callers may meet, by who can mend them.

::

    PodHealthError
    ├── InputError(field)          the user mends: a value was refused, ``field`` names it
    ├── NotFound                   nothing there, or another tenant's: the same answer for both
    ├── Conflict                   somebody else was faster; read again and decide anew
    │   └── Stale(version)         an edit of a version that is not the stored one
    ├── Forbidden                  the role does not allow it
    ├── SetupError                 the operator mends: a program, port, file or setting is missing
    ├── ProviderError(permanent)   the provider refused (permanent) or was not reached (try again)
    │   ├── ActionRefused          it would not do the action this time (a lock); nothing was done
    │   └── ActionImpossible       this step cannot be done now (nowhere to migrate to); nothing was done
    └── ProbeFault(code)           our own side failed; becomes the outcome ``error``, never ``fail``
"""


class PodHealthError(Exception):
    """Base of all errors that PodHealth raises on purpose."""


class InputError(PodHealthError):
    """A value from outside was refused. ``field`` is the name the user knows it by, ``message`` says what would do."""

    def __init__(self, field: str, message: str, code: str = "invalid") -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.code = code


class NotFound(PodHealthError):
    """The object does not exist for this tenant."""


class Conflict(PodHealthError):
    """The object changed meanwhile, or such a one exists already."""


class Stale(Conflict):
    """The edit is of an older version than the stored one, which is ``version``."""

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


class Forbidden(PodHealthError):
    """The caller's role does not allow this."""


class SetupError(PodHealthError):
    """Something the operator must provide is missing or taken; the message says what and how to mend it."""


class ProviderError(PodHealthError):
    """A provider refused or failed. ``permanent`` means that asking again cannot help (401, 403, unknown guest)."""

    def __init__(self, message: str, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class ActionRefused(ProviderError):
    """The provider would not do an action this time, and says so: nothing was done, and the attempt has failed."""


class ActionImpossible(ProviderError):
    """A step cannot be done as things are, so nothing was asked for: it is skipped, and the next one may help."""


class ProbeFault(PodHealthError):
    """The prober itself could not do its work; ``code`` is the short stable word stored with the result."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
