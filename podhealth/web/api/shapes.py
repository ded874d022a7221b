"""The JSON shapes of the seed's routes: camelCase, ISO 8601 UTC, numbers as numbers (behaviour §9)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from podhealth.core.words import HealState, Kind, Outcome
from podhealth.store.health import PodHealth, check_view

_RESULT_STATUS = {
    Outcome.OK: "healthy",
    Outcome.SLOW: "healthy",
    Outcome.FAIL: "unhealthy",
    Outcome.ERROR: "unknown",
    Outcome.INVALID: "unknown",
}
_HEAL_RESULT = {
    HealState.SUCCEEDED: "success",
    HealState.FAILED: "failed",
    HealState.TIMED_OUT: "failed",
    HealState.CANCELLED: "skipped",
    HealState.SKIPPED: "skipped",
}


def iso(moment: datetime | None) -> str | None:
    """Return ``2026-11-24T10:02:11.123Z``, or None."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def result_shape(row: Any, kinds: Mapping[int, Kind]) -> dict[str, Any]:
    """Return one stored result; its id joins check and claim, since results have no number of their own."""
    return {
        "id": f"{row.check_id}-{row.claim_token}",
        "podId": row.pod_id,
        "checkId": row.check_id,
        "checkType": kinds.get(row.check_id),
        "status": _RESULT_STATUS[row.outcome],
        "outcome": row.outcome,
        "failClass": row.fail_class,
        "code": row.code,
        "latencyMs": row.latency_ms,
        "errorMessage": row.error,
        "rawResponse": row.excerpt,
        "checkedAt": iso(row.checked_at),
        "late": row.is_late,
    }


def status_shape(health: PodHealth) -> dict[str, Any]:
    """Return the seed's status row of a pod, as it is now."""
    row = health.row
    return {
        "podId": row.pod_id,
        "status": health.status,
        "consecutiveFailures": health.view.failures,
        "consecutiveSuccesses": health.view.successes,
        "lastCheckAt": iso(health.last_check_at),
        "lastHealthyAt": iso(row.last_healthy_at),
        "lastUnhealthyAt": iso(row.last_unhealthy_at),
        "autoHealAttempts": row.auto_heal_attempts,
        "lastAutoHealAt": iso(row.last_auto_heal_at),
        "updatedAt": iso(row.updated_at),
        "since": iso(health.since),
        "phase": {"name": health.phase, "until": iso(health.phase_until), "reason": health.phase_reason},
    }


def pod_shape(pod: Any) -> dict[str, Any]:
    """Return the seed's short form of a pod; its ``status`` there is what the provider reports."""
    return {
        "name": pod.name,
        "ipAddress": pod.address,
        "status": pod.actual_state,
        "desiredState": pod.desired_state,
        "tags": pod.tags,
    }


def node_shape(row: Any) -> dict[str, Any]:
    """Return a node, a tenant's or the platform's, with how many pods stand on it."""
    return {
        "id": row.id,
        "version": row.version,
        "name": row.name,
        "address": row.address,
        "podCount": row.pods,
        "unreachableSince": iso(row.unreachable_since),
        "unreachableReason": row.unreachable_reason,
        "createdAt": iso(row.created_at),
    }


def check_shape(row: Any) -> dict[str, Any]:
    """Return a check's configuration; ``target`` goes as text, as it came."""
    return {
        "id": row.id,
        "podId": row.pod_id,
        "name": row.name,
        "checkType": row.kind,
        "target": row.target,
        "config": row.config,
        "intervalSeconds": row.interval_seconds,
        "timeoutSeconds": row.timeout_seconds,
        "failureThreshold": row.failure_threshold,
        "successThreshold": row.success_threshold,
        "severity": row.severity,
        "heal": row.heal,
        "healOn": row.heal_on,
        "latencyLimitMs": row.latency_limit_ms,
        "keepExcerpt": row.keep_excerpt,
        "enabled": row.enabled,
        "vantage": row.vantage,
        "version": row.generation,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
    }


def check_state_shape(row: Any, now: datetime) -> dict[str, Any]:
    """Return how one check is now, for the list beside the pod's status."""
    return {
        "id": row.id,
        "name": row.name,
        "checkType": row.kind,
        "enabled": row.enabled,
        "severity": row.severity,
        "status": check_view(row, now).status,
        "since": iso(row.since),
        "flapping": row.is_flapping,
        "consecutiveFailures": row.failures,
        "consecutiveSuccesses": row.successes,
        "lastCheckAt": iso(row.last_at),
        "lastOutcome": row.last_outcome,
        "lastError": row.last_error,
        "latencyMs": row.last_latency_ms,
    }


def policy_shape(row: Any) -> dict[str, Any]:
    """Return a policy with the seed's fields and ours."""
    return {
        "id": row.id,
        "tenantId": row.tenant_id,
        "name": row.name,
        "enabled": row.enabled,
        "mode": row.mode,
        "triggerAfterFailures": row.trigger_after_failures,
        "action": row.action,
        "cooldownMinutes": row.cooldown_minutes,
        "maxAttempts": row.max_attempts,
        "notifyOnTrigger": row.notify_on_trigger,
        "escalateAfterAttempts": row.escalate_after_attempts,
        "escalationAction": row.escalation_action,
        "backoffFactor": row.backoff_factor,
        "verifyTimeout": row.verify_timeout_s,
        "healthyDelay": row.healthy_delay_s,
        "sustainedHealth": row.sustained_health_s,
        "startDeadline": row.start_deadline_s,
        "selector": row.selector,
        "priority": row.priority,
        "isDefault": row.is_default,
        "steps": row.steps,
        "version": row.version,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
    }


def heal_shape(row: Any) -> dict[str, Any]:
    """Return a heal as the seed's auto-heal event, with our state beside its result."""
    return {
        "id": row.id,
        "podId": row.pod_id,
        "policyId": row.policy_id,
        "action": row.action,
        "reason": row.reason,
        "result": _HEAL_RESULT.get(row.state, "pending"),
        "state": row.state,
        "attempt": row.attempt,
        "errorMessage": row.error_message,
        "previousStatus": row.previous_status,
        "newStatus": row.new_status,
        "triggeredAt": iso(row.triggered_at),
        "completedAt": iso(row.completed_at),
    }


def overview_shape(row: Any) -> dict[str, Any]:
    """Return one pod of the overview: the seed's fields, and where to look further."""
    return {
        "podId": row.id,
        "name": row.name,
        "status": row.status,
        "consecutiveFailures": row.failures,
        "lastCheckAt": iso(row.last_check_at),
        "lastHealthyAt": iso(row.last_healthy_at),
        "since": iso(row.since),
        "phase": row.phase,
        "ipAddress": row.address,
        "tags": row.tags,
    }
