"""Schemathesis runs all its checks over the whole document, against a real web process, and finds nothing.

``make fuzz`` runs it longer, on both databases, over each kind of check and channel in each route; ``FUZZ_SEED``
chooses other requests. The short form is on PostgreSQL, which takes the less of the two.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.support.fuzzing import SEED, fuzz, in_brief

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1"))
_IS_LONG = _EXAMPLES > 10


@pytest.mark.slow
@pytest.mark.timeout(7200 if _IS_LONG else 900)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"] if _IS_LONG else ["postgres"], indirect=True)
@pytest.mark.attack("A64", "A65")
def test_no_request_that_the_document_allows_or_forbids_meets_a_fault(database_url, tmp_path, redis_url):
    document = json.loads(subprocess.check_output([sys.executable, "-m", "podhealth", "openapi"]))
    seed = int(os.environ.get("FUZZ_SEED", SEED))

    done = fuzz(tmp_path, database_url, redis_url, document if _IS_LONG else in_brief(document), _EXAMPLES, seed)

    assert done.returncode == 0, (done.stdout + done.stderr)[-60_000:]
