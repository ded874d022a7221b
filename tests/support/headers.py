"""Of which kind the answers are that people and programs get."""

from tests.support import cast, matrix
from tests.support.cast import Site


def types_of(site: Site) -> set[tuple[str, str]]:
    """Return each kind of answer to a GET, with the address it came from."""
    callers, found = [site.browser("adam"), site.program("admin"), site.nobody()], set()
    for path in matrix.paths(cast.an_app("sqlite:///nowhere.db")):
        if "GET" in path.endpoints and not path.is_socket:
            address = matrix.address(site, path, matrix.Cell(matrix.IDENTITIES[3], "GET", path.which[0]))
            for caller in callers:
                answer = caller.get(address)
                if answer.get_data():
                    is_text = answer.mimetype.startswith("text/")
                    assert not is_text or answer.mimetype_params.get("charset", "").lower() == "utf-8", path.text
                    found.add((answer.mimetype, path.text))
    return found
