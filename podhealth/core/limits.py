"""How tight the brakes of the fleet are: the numbers of behaviour §6 that an operator may set for an installation.

Where they are set is unknown here; who is not told takes the defaults.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's heals in any hour and at a time, and how many of a scope's pods may fall ill before its breaker opens.

    ``at_once_percent`` is of the monitored pods of a tenant, and at least one heal. ``breaker_percent`` is of the pods
    that count in the breaker's scope, and at least ``breaker_least`` pods.
    """

    heals_an_hour: int = 6
    migrations_an_hour: int = 1
    at_once_percent: int = 5
    breaker_least: int = 2
    breaker_percent: int = 30


DEFAULT = Limits()
