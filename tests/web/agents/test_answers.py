"""What is answered without the application is what the application answers."""

import json

import pytest

from podhealth.web.agents.answers import Answers
from podhealth.web.agents.recorder import Stored
from tests.support.apps import an_app
from tests.support.cast import Caller


def test_a_database_that_is_away_is_told_in_the_same_words():
    by_route = Caller(an_app("sqlite:////nowhere/at/all.db"), token="pa_x").post("/api/heartbeats")
    head, _, body = Answers(is_https=False).of(Stored(error=OSError())).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert f"\r\nRetry-After: {by_route.headers['Retry-After']}\r\n".encode() in head + b"\r\n"
    assert json.loads(body) == by_route.json


@pytest.mark.parametrize("is_https", [True, False])
def test_only_where_people_come_by_https_is_it_asked_for(is_https):
    assert (b"Strict-Transport-Security: " in Answers(is_https).too_often(2.1)) is is_https
