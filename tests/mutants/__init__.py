"""Does the suite notice? Deliberate bugs, one for each invariant and each brake, and the tests that each must redden.

``make mutants`` applies them one after another to a copy of the tree (running.py) and counts what is caught. A mutant
that survives is a test that is missing.
"""

from tests.mutants.brakes import BRAKES
from tests.mutants.doors import DOORS
from tests.mutants.heals import HEALS
from tests.mutants.mutant import Mutant
from tests.mutants.outside import OUTSIDE
from tests.mutants.records import RECORDS

__all__ = ["MUTANTS", "Mutant"]

MUTANTS: tuple[Mutant, ...] = (*RECORDS, *HEALS, *BRAKES, *DOORS, *OUTSIDE)
