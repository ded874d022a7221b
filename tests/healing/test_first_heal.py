"""The first heal from trigger to proof, on a real process host."""

from tests.healing.world import World


def test_a_pod_that_fails_long_enough_is_restarted_and_proven_healthy(world: World) -> None:
    world.heal_once()

    (heal,) = world.heals()
    assert (heal.state, heal.action, heal.attempt, heal.of_attempts) == ("succeeded", "restart", 1, 3)
    assert (heal.previous_status, heal.new_status) == ("unhealthy", "healthy")
    assert heal.reason == "http failed 4 times in a row: connection refused"
    assert [row["do"] for row in world.host.ledger()] == ["restart"]
