"""The agent's file: open to all, the same as in the repository, and what its page tells to do with it."""

import ast
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "static/agent.py"


def test_the_file_is_sent_to_whoever_asks(client):
    answer = client.get("/agent.py")

    assert answer.status_code == 200
    assert answer.data == FILE.read_bytes()
    assert answer.mimetype == "text/x-python"
    assert client.get("/agent.py", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_it_needs_nothing_beside_python_3_8():
    tree = ast.parse(FILE.read_text(), feature_version=(3, 8))
    imported = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}

    assert imported <= {
        "argparse", "getpass", "json", "os", "random", "shutil", "signal", "ssl", "subprocess", "sys", "threading",
        "time", "urllib",
    }  # fmt: skip
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module != "__future__"]
