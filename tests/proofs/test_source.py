"""What no line of ours may do, whoever writes it later: read out of the source, the templates and the lock files."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support import cast
from tests.support.cast import Site
from tests.support.headers import types_of

site = cast.site

ROOT = Path(__file__).parents[2]
SOURCES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in sorted((ROOT / "podhealth").rglob("*.py"))
}
TEMPLATES = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "templates").rglob("*.html"))}


def _named(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield _named(node.func), node


RUNS_CODE = {"eval", "exec", "compile", "os.system", "os.popen", "pickle.loads", "pickle.load", "marshal.loads"}
RUNS_CODE |= {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "shelve.open", "subprocess.getoutput"}
RUNS_CODE |= {"flask.render_template_string", "render_template_string", "jinja2.Template", "Template"}


@pytest.mark.attack("A53", "A57", "A61", "A83")
def test_nothing_runs_texts_as_code_templates_or_commands() -> None:
    found = [(path, name) for path, tree in SOURCES.items() for name, _ in _calls(tree) if name in RUNS_CODE]
    shells = [
        (path, ast.unparse(call)[:80])
        for path, tree in SOURCES.items()
        for name, call in _calls(tree)
        if name.startswith(("subprocess.", "os.exec", "os.spawn")) or name == "Popen"
        if any(word.arg == "shell" for word in call.keywords)
        or (call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr))
    ]

    assert found == []
    assert shells == []


@pytest.mark.attack("A57")
def test_what_probes_tells_or_answers_starts_no_program() -> None:
    inside = (
        "podhealth/probing/",
        "podhealth/web/",
        "podhealth/alerting/",
        "podhealth/healing/",
        "podhealth/egress/",
        "podhealth/live/",
    )
    found = [
        path
        for path, tree in SOURCES.items()
        if path.startswith(inside)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(one.name in ("subprocess", "pty") for one in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module in ("subprocess", "pty"))
    ]

    assert found == []


# Numbers of leases, and what one and the same person typed or stored.
NOT_GUESSED = ("claim_token != token", "claim_token == one.token", "lease_token != claimed.lease_token")
NOT_GUESSED += ("lease_token == claimed.lease_token", "typed.again != typed.password", "secret != before.get('secret')")
IS_SECRET = re.compile(r"(?:^|_)(token|secret|signature|mac|password|otp|digest)$")


@pytest.mark.attack("A23")
def test_no_secret_is_compared_letter_by_letter() -> None:
    found = []
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                sides = [node.left, *node.comparators]
                # A column of a table is compared by the database, and holds a hash; a constant is no secret.
                if any(isinstance(side, ast.Constant) or _is_column(side) for side in sides):
                    continue
                if any(IS_SECRET.search(_named(side).rpartition(".")[2]) for side in sides):
                    found.append(f"{path}:{node.lineno} {ast.unparse(node)}")
    compared = [path for path, tree in SOURCES.items() for name, _ in _calls(tree) if name.endswith("compare_digest")]

    assert [one for one in found if not one.endswith(NOT_GUESSED)] == []
    assert {"podhealth/queues.py", "podhealth/store/second_factor.py", "podhealth/web/pages/metrics.py"} <= set(
        compared
    )


def _is_column(side: ast.AST) -> bool:
    return isinstance(side, ast.Attribute) and isinstance(side.value, ast.Name) and side.value.id[:1].isupper()


@pytest.mark.attack("A51", "A53")
def test_no_template_shows_a_text_unescaped() -> None:
    found = [
        (path, line.strip())
        for path, text in TEMPLATES.items()
        for line in text.splitlines()
        # Of a literal of the template itself it is no text of anybody.
        if re.search(r"\|\s*safe", re.sub(r"'[^'{}%]*'\s*\|\s*safe", "", line)) or "autoescape false" in line
    ]
    made = {
        path for path, tree in SOURCES.items() for name, _ in _calls(tree) if name in ("Markup", "markupsafe.Markup")
    }

    assert found == []
    assert made == {"podhealth/live/render.py", "podhealth/web/pages/second_factor.py"}


@pytest.mark.attack("A52")
def test_nobody_hands_in_a_picture_and_no_answer_is_one() -> None:
    inputs = {path for path, text in TEMPLATES.items() if 'type="file"' in text}
    reads = {path for path, tree in SOURCES.items() for node in ast.walk(tree) if _named(node) == "request.files"}
    drawn = [
        path.name
        for path in (ROOT / "static").glob("*.svg")
        if re.search(r"(?i)<script|\son\w+=|javascript:", path.read_text())
    ]

    assert len(inputs) <= 1  # the file of configuration, read as text
    assert reads <= {"podhealth/web/pages/configuration.py"}
    assert drawn == []


@pytest.mark.slow
@pytest.mark.attack("A52")
@pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")
def test_what_is_answered_is_of_a_kind_that_carries_no_script_of_others(site: Site) -> None:
    told = types_of(site)

    assert {kind for kind, path in told if not path.startswith(("/static", "/assets", "/agent.py"))} <= {
        *("text/html", "application/json", "application/problem+json", "text/csv", "application/yaml", "text/plain"),
        *(
            "application/rss+xml",
            "application/atom+xml",
            "application/openapi+json",
            "application/vnd.oai.openapi+json",
            "application/jsonl",
        ),
    }


# The release in which the last weakness known of each was mended; of others none is known that concerns us.
SAFE_SINCE = {
    "flask": "3.1.3",
    "werkzeug": "3.0.6",
    "jinja2": "3.1.6",
    "gunicorn": "23.0.0",
    "requests": "2.32.4",
    "urllib3": "2.6.3",
    "redis": "4.5.5",
    "certifi": "2024.7.4",
    "cryptography": "44.0.1",
    "h11": "0.16.0",
    "idna": "3.7",
    "setuptools": "78.1.1",
    "sqlalchemy": "2.0.0",
    "pyyaml": "5.4",
    "flask-security-too": "5.3.3",
}


def _locked(name: str) -> dict[str, list[str]]:
    """The lines of a lock file: each package with its version, and the hashes that it may have."""
    found: dict[str, list[str]] = {}
    now = ""
    for line in (ROOT / name).read_text().splitlines():
        if match := re.match(r"([a-z0-9._-]+)==([^ ;\\]+)", line):
            now = f"{match[1]}=={match[2]}"
            found.setdefault(now, [])
        elif "--hash=sha256:" in line:
            found[now] += re.findall(r"--hash=(sha256:[0-9a-f]{64})", line)
    return found


@pytest.mark.attack("A88")
@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_each_package_is_pinned_with_its_hashes_and_from_nowhere_else(name: str) -> None:
    locked, text = _locked(name), (ROOT / name).read_text()

    assert len(locked) > 40
    assert [package for package, hashes in locked.items() if not hashes] == []
    assert not re.search(r"(?m)^\s*(?:-e|git\+|https?:|--(?:extra-)?index-url|--find-links)", text)
    assert "--require-hashes" in (ROOT / "Makefile").read_text()


@pytest.mark.attack("A88")
def test_no_package_is_older_than_the_release_that_mended_it() -> None:
    def parts(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    locked = dict(package.split("==") for package in _locked("requirements.lock"))
    old = {name: locked.get(name) or version(name) for name in SAFE_SINCE}

    assert {name: found for name, found in old.items() if parts(found) < parts(SAFE_SINCE[name])} == {}


@pytest.mark.attack("A88")
def test_pages_load_nothing_from_elsewhere() -> None:
    found = [
        (path, link)
        for path, text in TEMPLATES.items()
        for link in re.findall(
            r"<(?:script|link|img|iframe|source|use)[^>]*(?:src|href)=\"(https?:[^\"]*|//[^\"]*)\"", text
        )
    ]
    sheets = [
        path.name
        for path in (ROOT / "static").glob("*.css")
        if re.search(r"@import|url\((?!['\"]?data:|#)", path.read_text())
    ]

    assert found == []
    assert sheets == []


@pytest.mark.attack("A24")
def test_fields_of_passwords_hide_what_is_typed_and_let_it_be_pasted() -> None:
    named = re.compile(r'<input[^>]*name="(?:password|again|current)"[^>]*>|field\("(?:password|again|current)"[^}]*')
    fields = [(path, tag) for path, text in TEMPLATES.items() for tag in named.findall(text)]
    scripts = {path.name: path.read_text() for path in (ROOT / "static").glob("*.js")}

    assert len(fields) >= 4
    assert [one for one in fields if 'type="password"' not in one[1]] == []
    assert [name for name, text in scripts.items() if "onpaste" in text or "'paste'" in text or '"paste"' in text] == []


MAY_ROLL_DICE = {"podhealth/probing/references.py", "podhealth/alerting/deliver.py", "podhealth/cli/bench_past.py"}
MAY_ROLL_DICE |= {"podhealth/simulator/world.py", "podhealth/simulator/engine.py"}


@pytest.mark.attack("A9", "A77")
def test_what_nobody_may_guess_is_drawn_by_secrets_alone() -> None:
    dice = {
        path
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(one.name == "random" for one in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "random")
    }
    short = [
        (path, ast.unparse(call))
        for path, tree in SOURCES.items()
        for name, call in _calls(tree)
        if name == "secrets.token_urlsafe" and ast.literal_eval(call.args[0]) * 8 < 128
        if path not in ("podhealth/factory.py", "podhealth/web/pages/pod_bulk.py")  # ids of forms, which open nothing
    ]

    assert dice <= MAY_ROLL_DICE
    assert short == []


@pytest.mark.attack("A77", "A78")
def test_no_broken_hash_is_used() -> None:
    found = [
        (path, name)
        for path, tree in SOURCES.items()
        for name, _ in _calls(tree)
        if re.search(r"\b(md5|sha1|DES|ARC4|ECB)$", name)
    ]

    assert found == []


@pytest.mark.attack("A17")
def test_the_way_out_is_on_every_page() -> None:
    pages = [path for path in TEMPLATES if path.startswith("templates/pages/")]
    alone = [path for path in pages if "layout.html" not in TEMPLATES[path] and "{% extends" in TEMPLATES[path]]

    assert 'action="/sign-out"' in TEMPLATES["templates/layout.html"]
    assert [path for path in alone if "public" not in path and "wall" not in path] == []
