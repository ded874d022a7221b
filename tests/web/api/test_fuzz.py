"""Schemathesis runs all its checks over the whole document, against a real web process, and finds nothing.

``make fuzz`` runs it longer, over each kind of check and channel in each route; ``FUZZ_SEED`` chooses other requests.
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
def test_no_request_that_the_document_allows_or_forbids_meets_a_fault(sqlite_engine, tmp_path, redis_url):
    document = json.loads(subprocess.check_output([sys.executable, "-m", "podhealth", "openapi"]))
    url = sqlite_engine.url.render_as_string()
    seed = int(os.environ.get("FUZZ_SEED", SEED))

    done = fuzz(tmp_path, url, redis_url, document if _IS_LONG else in_brief(document), _EXAMPLES, seed)

    assert done.returncode == 0, (done.stdout + done.stderr)[-60_000:]
