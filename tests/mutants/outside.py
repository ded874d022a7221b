"""Bugs towards the outside: addresses that may not be reached, redirects, certificates, jobs out of Redis."""

from tests.mutants.mutant import Mutant

_QUEUES = "tests/jobs/test_queues.py::"

OUTSIDE = (
    Mutant(
        "private-is-all-that-is-forbidden",
        "SSRF: `is_private` is not enough",
        "podhealth/core/address.py",
        "special = _why_special(candidate, allowed if candidate is address else ())",
        'special = "private" if candidate.is_private else None',
        (
            "tests/core/test_address.py::"
            "test_a_forbidden_host_is_refused_in_every_spelling_even_where_all_networks_are_allowed",
        ),
    ),
    Mutant(
        "an-address-inside-another-is-not-looked-at",
        "SSRF: an IPv4 address inside an IPv6 one is judged too",
        "podhealth/core/address.py",
        "for candidate in (address, *_carried(address)):",
        "for candidate in (address,):",
        (
            "tests/core/test_address.py::"
            "test_a_forbidden_host_is_refused_in_every_spelling_even_where_all_networks_are_allowed",
        ),
    ),
    Mutant(
        "a-name-is-judged-by-one-of-its-addresses",
        "SSRF: a name with a forbidden address among its own is refused whole",
        "podhealth/core/address.py",
        "        if is_forbidden(ip, networks, denied):\n            raise",
        "        if len(plain_ones) == 1 and is_forbidden(ip, networks, denied):\n            raise",
        ("tests/probing/test_guard.py::test_a_name_with_one_forbidden_address_is_refused_whole",),
    ),
    Mutant(
        "the-name-is-resolved-once-more-for-the-connection",
        "SSRF: what is connected to is the address that was checked",
        "podhealth/egress/__init__.py",
        "return socket.create_connection((str(ip), port), left_s)",
        "return socket.create_connection((host, port), left_s)",
        ("tests/test_egress.py::test_a_name_that_is_bound_anew_is_connected_to_where_it_was_checked",),
    ),
    Mutant(
        "libcurl-connects-wherever-it-likes",
        "SSRF: what is connected to is the address that was checked",
        "podhealth/probing/http.py",
        "if peer != self.ip and not is_same(peer, self.ip):",
        "if peer == self.ip and not is_same(peer, self.ip):",
        ("tests/probing/test_guard.py::test_libcurl_gets_no_socket_for_another_address_than_the_checked_one",),
    ),
    Mutant(
        "probes-follow-redirects",
        "redirects: none is followed, so none needs to be judged",
        "podhealth/probing/http.py",
        "setopt(pycurl.FOLLOWLOCATION, 0)",
        "setopt(pycurl.FOLLOWLOCATION, 1)",
        ("tests/probing/test_http.py::test_a_redirect_is_not_followed",),
    ),
    Mutant(
        "calls-follow-redirects",
        "redirects: none is followed, so none needs to be judged",
        "podhealth/egress/http.py",
        "options.update(allow_redirects=False, proxies={})",
        "options.update(proxies={})",
        ("tests/test_egress.py::test_a_redirect_is_answered_not_followed",),
    ),
    Mutant(
        "answers-without-end-are-read",
        "bounds: no answer is longer than it may be",
        "podhealth/egress/http.py",
        "if len(read) > most_bytes:",
        "if len(read) > 1000 * most_bytes:",
        ("tests/test_bound.py::test_a_longer_answer_than_allowed_is_refused",),
    ),
    Mutant(
        "redis-says-what-is-run",
        "jobs: only functions of the list are run",
        "podhealth/queues.py",
        "if function not in _NAMES or instance is not None or kwargs or not isinstance(args, list):",
        "if instance is not None or kwargs or not isinstance(args, list):",
        (_QUEUES + "test_what_is_not_ours_does_not_exist[os.system, signed]",),
    ),
    Mutant(
        "jobs-need-no-signature",
        "jobs: only what we signed is run",
        "podhealth/queues.py",
        '            raise ValueError("not signed by us")\n',
        "            pass\n",
        (_QUEUES + "test_what_is_not_ours_does_not_exist",),
    ),
    Mutant(
        "jobs-are-unpickled",
        "jobs: nothing from Redis is unpickled",
        "podhealth/queues.py",
        "        function, instance, args, kwargs = json.loads(data)\n",
        '        function, instance, args, kwargs = __import__("pickle").loads(data)\n',
        (_QUEUES + "test_what_is_not_ours_does_not_exist",),
    ),
    Mutant(
        "without-redis-nothing-is-done",
        "I20: nothing depends on Redis",
        "podhealth/queues.py",
        "        skipped.note(name, error)\n        return False\n",
        "        raise\n",
        ("tests/jobs/test_tick.py::test_slow_steps_run_at_once_where_redis_takes_no_job[sqlite]",),
    ),
    Mutant(
        "no-ticks-without-a-scheduler",
        "I20: nothing depends on Redis",
        "podhealth/jobs/watch.py",
        "        if is_alone:\n            with",
        "        if is_alone and self._role is None:\n            with",
        ("tests/jobs/test_watch.py::test_ticks_that_do_not_come_are_run_here",),
    ),
)
