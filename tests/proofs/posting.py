"""A request to the application in a process that a test may kill; what it answers is wrong where the process fails."""

from tests.support.apps import an_app


def make_window(url: str, redis_url: str, token: str, number: int) -> None:
    """Make a window under an Idempotency-Key of its own."""
    body = {"name": f"disks-{number}", "reason": "work", "zone": "UTC", "starts": "2027-01-01T02:00", "minutes": 5}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"once-{number}"}
    answer = an_app(url, redis_url).test_client().post("/api/windows", json=body | {"allPods": True}, headers=headers)
    assert answer.status_code == 201, answer.text
