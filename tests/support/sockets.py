"""A live socket seen and handled from outside: what came over it, cut when asked, and pushes said over again."""

import json
from typing import Any

from playwright.sync_api import BrowserContext, WebSocketRoute

Frame = dict[str, Any]


class Line:
    """The line between the pages of one browser and the server. All that is said passes through, until it is cut."""

    def __init__(self, context: BrowserContext) -> None:
        self.frames: list[Frame] = []
        self.is_cut = False
        self._open: list[tuple[WebSocketRoute, WebSocketRoute]] = []
        context.route_web_socket("**/live", self._connect)

    def _connect(self, page_side: WebSocketRoute) -> None:
        if self.is_cut:
            page_side.close(code=1006)
            return
        server = page_side.connect_to_server()
        self._open.append((page_side, server))

        def came(message: str | bytes) -> None:
            self.frames.append(json.loads(message))
            page_side.send(message)

        server.on_message(came)
        page_side.on_message(server.send)

    def pushes(self) -> list[Frame]:
        """Return the frames that carried fragments."""
        return [frame for frame in self.frames if frame.get("elements")]

    def say_again(self, frame: Frame, times: int) -> None:
        """Push that many copies of these two frames' fragments in turn, each with the next number."""
        page_side, _ = self._open[-1]
        seq = max(frame["seq"] for frame in self.frames)
        for _ in range(times):
            again = frame | {"from": seq, "seq": seq + 1}
            seq += 1
            self.frames.append(again)
            page_side.send(json.dumps(again))

    def cut(self) -> None:
        """Cut all sockets, and let none be opened."""
        self.is_cut = True
        for page_side, server in self._open:
            page_side.close(code=1006)
            server.close()
        self._open.clear()

    def mend(self) -> None:
        """Let sockets be opened again."""
        self.is_cut = False
