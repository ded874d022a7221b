"""What of the proofs this machine has no means for; the table of faults says so (faults.NOT_HERE)."""

from tests.support.cgroups import can_limit_memory

collect_ignore = [] if can_limit_memory() else ["test_memory_limit.py"]
