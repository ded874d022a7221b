"""Bugs in how a heal is planned, done and proven, and how people are told of it."""

from tests.mutants.mutant import Mutant

_CRASH = "tests/healing/test_crash.py::"
_KILLED = _CRASH + "test_killed_there_and_finished_by_another_the_pod_is_restarted_once"

HEALS = (
    Mutant(
        "two-open-heals",
        "I1: one open heal of a pod at a time",
        "migrations/versions/0001_first_tables.py",
        '            "uq_heals_open",\n            ["pod_id"],\n            unique=True,\n',
        '            "uq_heals_open",\n            ["pod_id"],\n            unique=False,\n',
        ("tests/healing/test_evaluate.py::test_the_database_refuses_a_second_open_heal[sqlite]",),
    ),
    Mutant(
        "a-heal-is-planned-beside-an-open-one",
        "I1: one open heal of a pod at a time",
        "podhealth/core/gates.py",
        "    heal = facts.open_heal\n    if heal is None:\n        return Open()\n",
        "    heal = None\n    if heal is None:\n        return Open()\n",
        (
            "tests/core/test_gates.py::test_the_gate_closes_in_these_words_until_then",
            "tests/core/test_trouble_gates.py::test_the_gate_closes_in_these_words_until_then",
        ),
    ),
    Mutant(
        "the-provider-is-called-before-the-row-is-kept",
        "I2: an attempt is committed before the provider is called",
        "podhealth/healing/act.py",
        '        now = db_now(conn)\n        values = {"started_at": now',
        "        now = db_now(conn)\n"
        "        provider_of(ProviderKind(pod.provider)).act(\n"
        "            asking.ref_of(pod), heal.action, heal.idempotency_key, options_of(engine, heal)\n"
        "        )\n"
        '        values = {"started_at": now',
        (_KILLED + "[sqlite-heal.before_call]",),
    ),
    Mutant(
        "each-call-has-a-key-of-its-own",
        "I2: at most one executed action for each key",
        "podhealth/healing/act.py",
        ".act(asking.ref_of(pod), heal.action, heal.idempotency_key, options)",
        '.act(asking.ref_of(pod), heal.action, f"{heal.idempotency_key[:20]}{heal.fence}", options)',
        (_KILLED + "[sqlite-heal.after_call]",),
    ),
    Mutant(
        "nobody-asks-the-provider-after-a-crash",
        "I2: at most one executed action for each key",
        "podhealth/healing/reap.py",
        "    if task is not None:\n        return act.keep_task(engine, heal, task)\n",
        "",
        (
            "tests/healing/providers/test_webhook.py::"
            "test_a_hook_that_acts_and_falls_silent_is_looked_up_and_never_called_twice[sqlite]",
        ),
    ),
    Mutant(
        "the-gates-are-not-asked-again-before-the-call",
        "I3: no action starts while it is held",
        "podhealth/healing/act.py",
        "    asked = asking.ask(pod)\n    with write(engine, durable=True) as conn:\n"
        "        closed = _closed_by(conn, heal, asked)\n        if closed is not None:\n"
        "            return _cancel(conn, heal, closed)\n        now",
        "    asked = asking.ask(pod)\n    with write(engine, durable=True) as conn:\n"
        "        closed = None\n        if closed is not None:\n"
        "            return _cancel(conn, heal, closed)\n        now",
        (
            "tests/healing/test_policy_changes.py::"
            "test_nothing_is_called_although_nobody_has_judged_since[sqlite-set_off]",
        ),
    ),
    Mutant(
        "a-hold-after-a-crash-stops-nothing",
        "I3: no action starts while it is held",
        "podhealth/healing/reap.py",
        "return act.call_if_open(engine, heal, pod)",
        "return act.call(engine, heal, pod)",
        (_CRASH + "test_a_hold_that_begins_after_the_crash_stops_the_call[sqlite]",),
    ),
    Mutant(
        "one-more-than-the-ladder-has",
        "I9: attempts never exceed the ladder",
        "podhealth/core/ladder.py",
        "if spent < before + step.attempts:",
        "if spent <= before + step.attempts:",
        ("tests/core/test_ladder.py::test_each_attempt_is_this_rung",),
    ),
    Mutant(
        "an-episode-ends-with-the-first-success",
        "I9: an episode is left only by sustained health or a reset",
        "podhealth/core/episode.py",
        "if now >= at and all(t.results_since >= 2 for t in live):",
        "if all(t.results_since >= 2 for t in live):",
        ("tests/core/test_episode.py::test_an_episode_ends",),
    ),
    Mutant(
        "whoever-lost-the-lease-stores-all-the-same",
        "I10: a lower fence never changes a row",
        "podhealth/store/healsteps.py",
        ".where(Heal.id == heal.id, Heal.fence == heal.fence, Heal.state == heal.state)",
        ".where(Heal.id == heal.id, Heal.state == heal.state)",
        ("tests/healing/test_steps.py::test_a_holder_of_an_older_lease_changes_nothing[sqlite]",),
    ),
    Mutant(
        "a-leased-step-is-taken-again",
        "lease: of two that take a step, one has it",
        "podhealth/store/healsteps.py",
        ".where(Heal.id == heal_id, *_free(now))",
        ".where(Heal.id == heal_id)",
        ("tests/healing/test_steps.py::test_only_one_of_two_workers_gets_the_step[sqlite]",),
    ),
    Mutant(
        "a-heal-of-a-dead-worker-stays-open",
        "I16: no heal is open beyond its deadline",
        "podhealth/store/healsteps.py",
        "is_free = sa.or_(Heal.lease_until.is_(None), Heal.lease_until <= now)",
        "is_free = Heal.lease_until.is_(None)",
        (_KILLED + "[sqlite-heal.before_call]",),
    ),
    Mutant(
        "what-was-seen-before-the-action-proves-it",
        "I12: only probes begun after the action prove that it helped",
        "podhealth/core/verdict.py",
        "if result.begun_at < proof.action_ended_at:",
        "if result.begun_at is None:",
        ("tests/core/test_verdict.py::test_probes_begun_before_the_action_ended_do_not_count",),
    ),
    Mutant(
        "the-provider-says-that-it-helped",
        "verify: a heal has succeeded when its check says so",
        "podhealth/core/verdict.py",
        "    first, proven = _proven(proof, seen)\n    if proven:",
        "    first, proven = _proven(proof, seen)\n    if proven or now >= proof.verify_until:",
        ("tests/core/test_verdict.py::test_the_heal_ends",),
    ),
    Mutant(
        "an-error-of-the-prober-triggers",
        "I12: a heal needs so many fails of one check in a row",
        "podhealth/core/episode.py",
        "        and c.failures >= trigger_level(c, trigger_after_failures)\n",
        "",
        ("tests/core/test_episode.py::test_a_check_triggers",),
    ),
    Mutant(
        "no-wait-between-two-heals",
        "cooldown: each further attempt waits longer",
        "podhealth/core/gates.py",
        "    if facts.now >= at:\n        return Open(inputs)\n    by =",
        "    if facts.now >= facts.last_heal.ended_at:\n        return Open(inputs)\n    by =",
        ("tests/core/test_gates.py::test_the_gate_closes_in_these_words_until_then[cooldown]",),
    ),
    Mutant(
        "a-message-is-sent-before-it-is-told",
        "I7: alerts at least once, whoever is killed",
        "podhealth/store/deliveries.py",
        "taken.values(lease_until=now + LEASE, fence=Message.fence + 1, attempts=Message.attempts + 1)",
        "taken.values(lease_until=now + LEASE, fence=Message.fence + 1, attempts=Message.attempts + 1,"
        " state=MessageState.SENT, sent_at=now)",
        (
            "tests/alerting/test_crash.py::"
            "test_killed_there_it_is_told_all_the_same_and_under_one_id[sqlite-alert.before_send]",
        ),
    ),
    Mutant(
        "who-lost-a-message-stores-its-try",
        "I10: a lower fence never changes a row",
        "podhealth/store/deliveries.py",
        "Message.fence == message.fence, ",
        "",
        (
            "tests/alerting/test_in_hand.py::test_who_has_lost_the_lease_stores_nothing_while_the_other_is_at_it[sqlite]",
        ),
    ),
    Mutant(
        "the-end-overtakes-the-problem",
        "I7: messages of a thread go in their order",
        "podhealth/store/deliveries.py",
        "Message.due_at <= now, ~in_hand, ~is_behind()",
        "Message.due_at <= now, ~in_hand",
        (
            "tests/alerting/test_in_hand.py::"
            "test_what_comes_later_in_a_thread_waits_for_one_that_is_tried_again_by_hand[sqlite]",
        ),
    ),
)
