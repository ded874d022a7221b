"""The attacks that PodHealth must refuse, each with the ids of OWASP ASVS 5.0 that it is about. Ids have gaps."""

from typing import NamedTuple


class Attack(NamedTuple):
    """What is tried; ``asvs``: the requirements it belongs to, with commas."""

    what: str
    asvs: str


_A = Attack
ATTACKS: dict[str, Attack] = {
    # Tenants and roles
    "A1": _A("another tenant's object by its id, on every route", "8.2.2, 8.4.1"),
    "A2": _A("another tenant's id inside a body", "8.2.2"),
    "A3": _A("own and foreign ids in one request", "8.2.2"),
    "A5": _A("hearing another tenant's changes by websocket", "8.4.1"),
    "A6": _A("a role, tenant or right written into a form", "15.3.3"),
    "A7": _A("a viewer doing what operators and admins do", "8.2.1, 16.3.2"),
    "A8": _A("the last admin leaves or is made less", "2.3.2"),
    "A9": _A("links of invitation and reset: another's, twice, late", "6.4.1, 6.4.3"),
    "A11": _A("a token to do more than it may, in an address, of somebody gone", "8.2.1, 14.2.1"),
    "A12": _A("an agent's token anywhere else", "8.2.1"),
    "A13": _A("other methods and other spellings of an address", "4.1.4, 13.4.4"),
    "A15": _A("what was deleted, by every way to it", "8.3.2"),
    # Signing in and sessions
    "A16": _A("a session set before signing in", "7.2.4"),
    "A17": _A("a session after signing out", "7.4.1, 14.3.2"),
    "A18": _A("open sessions after a change of password or role", "7.4.3, 8.3.2"),
    "A20": _A("no secret, a weak secret, a default password, debugging", "6.3.2, 13.4.2"),
    "A21": _A("trying passwords: many for one, one for many", "6.3.1"),
    "A22": _A("finding out who is known, by answer or by time", "6.3.8"),
    "A23": _A("finding out a secret by the time its comparison takes", "11.2.4"),
    "A24": _A("passwords of every shape and a megabyte", "6.2.8, 6.2.9, 15.2.2"),
    "A25": _A("sessions that outlive their time", "7.3.1, 7.3.2"),
    "A26": _A("passwords kept with a weak hash", "11.4.2"),
    # Browsers
    "A27": _A("forms without, with a wrong or another's token", "3.5.1, 3.5.2"),
    "A28": _A("forms sent by another site", "3.5.1"),
    "A29": _A("changing something by a GET", "3.5.3"),
    "A30": _A("signing somebody in or out from another site", "3.5.1"),
    "A31": _A("a websocket opened by another site", "4.4.2"),
    "A32": _A("a websocket without a session, or with a token in its address", "4.4.3, 14.2.1"),
    "A33": _A("messages that no browser of ours sends", "2.2.1"),
    "A34": _A("a page inside another site's frame", "3.4.6"),
    "A35": _A("scripts that are not ours: the policy is on every answer", "3.4.3"),
    "A36": _A("answers without their headers, cookies without their flags", "3.3.1, 3.3.2, 3.3.4, 3.4.1, 3.4.4, 3.4.5"),
    "A37": _A("reading across origins", "3.4.2"),
    "A38": _A("one person's page to another out of a cache", "14.2.2, 14.2.5"),
    "A39": _A("being led elsewhere after signing in", "3.7.2"),
    "A40": _A("one request hidden in another", "4.2.1"),
    # Requests that we make
    "A41": _A("the platform's own and forbidden addresses as targets, in every spelling", "1.3.6, 13.2.4"),
    "A42": _A("a name that changes its address after it was looked at", "1.3.6, 15.4.2"),
    "A43": _A("a redirect to a forbidden address", "15.3.2"),
    "A44": _A("a path that changes host or port", "4.2.5"),
    "A45": _A("the platform's own services as targets", "13.2.5"),
    "A46": _A("reading foreign content through a check", "16.5.1"),
    "A47": _A("another tenant's pod as target", "8.4.1"),
    "A48": _A("proxies, passwords and cookies of the platform lent to a check", "13.2.4"),
    "A49": _A("a receiver that answers without end", "15.2.2"),
    "A50": _A("a way out that is not guarded", "15.2.5"),
    # Injection
    "A51": _A("markup in every text that is stored or comes from outside", "1.2.1, 3.2.2"),
    "A52": _A("pictures that carry scripts", "1.3.4"),
    "A53": _A("templates in texts", "1.3.7, 1.3.10"),
    "A54": _A("header lines in a check's settings", "4.2.5"),
    "A55": _A("header lines in a mail", "1.3.11"),
    "A56": _A("marks of chat programs in texts", "1.2.1"),
    "A57": _A("commands and options in an address", "1.2.5"),
    "A58": _A("SQL in filters, order, cursors and searches", "1.2.4"),
    "A59": _A("formulas in an export", "1.2.10"),
    "A60": _A("lines and colours in the log", "16.4.1"),
    "A61": _A("files of configuration that build objects or explode", "1.5.1, 1.5.2"),
    "A62": _A("paths that lead out of their folder", "5.3.2, 5.4.2"),
    # Input and cost
    "A64": _A("values of a wrong type in every field", "15.3.5"),
    "A65": _A("numbers at and beyond every limit", "2.2.1, 2.2.3"),
    "A66": _A("the same name twice", "15.3.7"),
    "A67": _A("fields that a form does not have", "15.3.3"),
    "A68": _A("giant, endless, nested, compressed and slow bodies", "5.2.1, 15.2.2"),
    "A69": _A("patterns that take for ever", "1.3.12"),
    "A70": _A("asking for everything at once", "2.4.1, 15.4.4"),
    "A72": _A("going round a rate limit", "2.4.1"),
    "A73": _A("thousands of sockets by one", "13.1.2"),
    "A74": _A("giant headers and thousands of cookies", "15.2.2"),
    # Secrets, integrity, jobs, supply
    "A75": _A("secrets in logs, pages, answers, exports, Redis and process titles", "14.2.1, 16.2.5"),
    "A77": _A("reading a stolen database", "11.3.2, 13.3.1"),
    "A78": _A("forged, old and repeated signed requests to us", "4.1.5"),
    "A79": _A("forged requests in our name", "4.1.5"),
    "A80": _A("approving by a mail scanner, twice, by another", "3.5.3, 2.3.1"),
    "A81": _A("rewriting the audit trail", "16.4.2"),
    "A82": _A("acting without a trace", "16.3.1, 16.3.2, 16.3.3"),
    "A83": _A("pickled objects in Redis", "1.5.2"),
    "A84": _A("jobs and commands in Redis that are not ours", "1.5.2, 13.2.1"),
    "A86": _A("an application's Redis user doing what an administrator does", "13.2.2"),
    "A87": _A("doors left open: consoles, metrics, repositories, traces", "13.4.1, 13.4.5, 13.4.6"),
    "A88": _A("packages that were changed, or are known to be weak", "15.1.2, 15.2.1, 15.2.4, 3.6.1"),
    # The product turned against others
    "A89": _A("being healed again and again on purpose", "2.3.2"),
    "A90": _A("being moved about on purpose", "2.3.5, 8.2.1"),
    "A92": _A("a flood of alerts", "2.4.1"),
    "A93": _A("the probers turned against one victim", "2.4.1"),
    "A94": _A("a signature of ours used elsewhere", "9.2.3"),
    "A95": _A("heartbeats forged, repeated, of another boot", "2.3.1"),
    "A96": _A("a provider that lies about whose a guest is", ""),
    "A97": _A("a change between decision and act", "15.4.2"),
    "A98": _A("a slip that would stop or heal everything", "2.3.5"),
}

NOT_HERE: dict[str, str] = {}
