"""How long a process may take to end: said here once, for those who end and for those who wait before they kill.

The units of systemd, the compose file and docs/operations.md say the same; a test compares them.
"""

# What a prober has in flight: as long as a probe takes by default, at most. A web process's requests have as long.
IN_FLIGHT_S = 10
# All of it: a step of a heal (it calls its provider twice, for four seconds each), a message on its way (ten seconds),
# what was in flight, and storing what came of them. Whatever is not done by then is left as if by a crash.
END_WITHIN_S = 13
# A supervisor waits longer: on a busy machine a process that has done with everything takes seconds to be gone.
KILL_AFTER_S = 20
