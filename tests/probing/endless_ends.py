"""Far ends that answer without end or measure, in a process of their own: prints the port of each.

So that the memory they take is not that of the prober beside them.
"""

import sys
import threading
from contextlib import ExitStack

from tests.support.listeners import Listener, answer, endless
from tests.support.program import die_with_parent

_OK = b"HTTP/1.1 200 OK\r\n"
ENDS = {
    "1 GiB": endless(_OK + b"Content-Length: 1073741824\r\n\r\n", b"x" * 65_536),
    "no length": endless(_OK + b"\r\n", b"x" * 65_536),
    "chunks": endless(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n"),
    "first words": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 50),
    "headers": answer(_OK + b"X: y\r\n" * 100_000 + b"\r\n"),
    "a line": answer(b"HTTP/1.1 200 " + b"O" * (1 << 20) + b"\r\n\r\n"),
}

if __name__ == "__main__":
    die_with_parent()
    with ExitStack() as stack:
        print(*(stack.enter_context(Listener(behave)).port for behave in ENDS.values()), flush=True)
        threading.Event().wait()
    sys.exit()
