"""The faults that PodHealth must survive, each with what must hold. Ids are kept for good; they have gaps."""

from tests.support.cgroups import can_limit_memory

FAULTS: dict[str, str] = {
    # Processes
    "F1": "a prober is killed in the middle of its batch: its checks are taken over, its late results refused",
    "F2": "the child that runs a job is killed: the worker lives on, the work is done again",
    "F3": "killed before the heal is stored: nothing was done, the pod is healed later",
    "F4": "killed between storing a heal and calling the provider: one call under one key, one attempt",
    "F5": "killed between the provider's call and its record: the task is found again, nothing is done twice",
    "F6": "killed while verifying: another worker brings the heal to its end",
    "F7": "killed between commit and telling: every change is told all the same",
    "F8": "killed after sending, before the answer was read: sent again under the same id",
    "F9": "rolling restarts under load: nothing is lost",
    "F11": "the scheduler is killed between taking a periodic job and setting its next time: it comes back",
    "F12": "several schedulers at once, one of them frozen: nothing is done twice",
    "F13": "no scheduler at all: probing goes on, and it is said that none is there",
    "F14": "the web process is killed during a POST: all of it or nothing, and the same key finds it",
    "F15": "one process of the Procfile ends: it is started again, the others live on",
    "F16": "the kernel kills a worker that is out of memory: as if killed",
    "F17": "no further process or thread can be made: an error of ours, never a failure of a pod",
    "F18": "no file descriptors left: an error of ours, never a failure of a pod; well again when there are some",
    # Redis
    "F19": "Redis is killed and comes back empty: no result is lost, pages answer",
    "F20": "Redis is emptied under load: schedules and queues are filled again out of the database",
    "F21": "Redis answers after two seconds: probing keeps its time, pages too",
    "F22": "Redis hangs: nobody waits for it longer than for its time limit",
    "F23": "Redis is out of memory: what cannot be queued is queued later",
    "F24": "Redis throws keys away by itself: nothing depends on them",
    "F25": "Redis takes no writes (a replica): as if it were away",
    "F27": "the connection that carries changes dies silently: browsers catch up",
    "F28": "rubbish under our keys in Redis: passed over",
    # Databases
    "F30": "another process holds SQLite's write lock: waited for, and nothing that was acknowledged is lost",
    "F31": "writers that begin as readers would be refused at once on SQLite: none does",
    "F32": "the disk is full, then free again: nothing half written, no heals meanwhile",
    "F33": "the disk fails when it has to keep what was written: not acknowledged",
    "F34": "killed in commits: nothing that was acknowledged is lost, the file is whole",
    "F35": "PostgreSQL is restarted, also at once, and its processes are killed: nothing lost or doubled",
    "F36": "the connection is cut between COMMIT and its answer: neither lost nor doubled",
    "F37": "no connection is free: 503, and the workers go on",
    "F38": "deadlocks and failed serialisation: tried again, then an error",
    "F39": "every statement takes seconds: no heals out of old evidence",
    "F40": "the database takes no writes: pages are shown, changes are 503",
    "F41": "a page of the SQLite file is spoiled: refused at the start, clearly",
    "F42": "ids near the ends of their range: taken and shown",
    # Time
    "F43": "a worker's clock is hours ahead: nothing becomes old, no wait ends early",
    "F44": "a worker's clock is an hour behind: checks are still run, nothing waits an hour more",
    "F46": "the machine slept for hours: all is unknown first, nothing is healed out of old evidence",
    "F47": "clocks of all time zones turn, and windows over midnight: each opens once, as long as it is meant",
    "F48": "two workers' clocks differ: order is the database's",
    # Network and targets
    "F50": "the prober has lost the network: nothing is healed, people are told once",
    "F51": "all pods of one node fail: at most what the rules allow is healed",
    "F52": "name servers are away, slow or lie: an error within its time, other checks on time",
    "F53": "a target swallows connections: failed at its time limit",
    "F54": "a target answers a byte a second: failed at its time limit, nobody waits",
    "F55": "a target answers without end: read to a limit, memory stays flat",
    "F56": "a target redirects for ever, or elsewhere: not followed",
    "F57": "a target answers with a compressed bomb: never unpacked",
    "F58": "certificates and handshakes of every wrong kind: each its own result",
    "F59": "a target resets or closes in the middle: failed, with the reason",
    "F60": "a target loses one request in twenty: thresholds as the rules say, flapping told once",
    "F61": "pings are not permitted, or answered by others: an error of ours, never a wrong ok",
    "F62": "hundreds of connections a second to one target: no port runs out",
    "F63": "IPv6 alone, or dead beside IPv4: reached within the time limit",
    # Providers
    "F64": "the provider acts but its answer is lost: found again, nothing is done twice",
    "F65": "the provider does not act and does not answer: one more try under the same key",
    "F66": "the provider refuses, is busy or broken: tried again, stopped or told, each as it should be",
    "F67": "the provider answers rubbish: failed with the reason",
    "F68": "the provider shows no guests any more: kept, nothing is taken for vanished",
    "F69": "the provider says one thing and the pod another: the evidence counts",
    "F70": "the guest is locked: waited for, never unlocked",
    "F71": "the guest is on another node than it was: looked up anew, never started twice",
    "F73": "the web hook is slow, broken, redirects or answers twice: one id, not followed",
    # Telling
    "F74": "a receiver is away for an hour: told once, in order, the last state always",
    "F75": "one tenant's receiver is slow: others are told on time",
    "F76": "a receiver refuses in every way: tried again, or stopped and told otherwise",
    "F77": "a mail server misbehaves in every way: never in clear, one Message-ID",
    "F78": "a message that can never be sent: put aside, the others go on",
    "F79": "thousands of changes at once: few messages, the queue drains",
    # Browsers
    "F80": "a browser never reads: closed in time, nobody else waits",
    "F81": "a browser sends floods, giants and splinters: closed, memory stays flat",
    "F82": "thousands of browsers come back at once: pages answer",
    "F83": "a browser is gone without a word: let go in time",
    "F85": "hundreds of slow requests: others are answered",
    "F86": "the secret key is changed: no error, everybody signs in again",
    # Upgrades and load
    "F87": "a migration is killed at every step: run again it is whole",
    "F88": "each migration up, down and up again with data in it: equal",
    "F89": "old programs on the new schema and new ones on the old: refuse or work",
    "F90": "two migrate at once: one waits",
    "F91": "old history is removed under full load: nobody waits long, nothing wrong is removed",
    "F92": "three times more checks than can be run: late in turn, unknown and not wrong, well again soon",
    "F93": "one tenant's checks all time out: others are on time",
    "F94": "nine tenths of the processor are taken away: as if overloaded",
    "F95": "hours of load with a fault each minute: nothing grows, nothing is lost",
    "F97": "all stops for ten minutes and starts: nothing is told that did not change, heals only by fresh evidence",
}

NOT_HERE: dict[str, str] = {
    "F95": "it is a run of its own, ``make soak``, with a fault each minute",
    "F2": "no worker has a child: a job runs in the process that took it, and that one is killed in F1",
}
if not can_limit_memory():
    NOT_HERE["F16"] = "a limit of memory takes a cgroup, and none can be made here; the kernel's SIGKILL is that of F1"
# Run with every ``make test``.
QUICK = ("F1", "F4", "F5", "F7", "F8", "F11", "F19", "F20", "F31", "F34", "F36", "F44", "F50", "F54", "F57", "F64")
QUICK += ("F74", "F80", "F87")
ALWAYS = (*QUICK, "F95")  # with the two minutes of the soak
