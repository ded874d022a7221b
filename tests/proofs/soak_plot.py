"""Draws what was measured while it soaked: throughput, lag and memory over the same time, faults marked."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.proofs.soak_watch import Sample

_WIDTH, _PANEL, _LEFT, _TOP, _GAP = 900, 150, 70, 20, 46
_COLOURS = ("#1f6feb", "#bf5b04", "#1a7f37", "#8250df", "#b3261e", "#57606a")
_KILLED_ONLY = frozenset({"redis"})


class _Line(NamedTuple):
    name: str
    colour: str
    points: list[tuple[float, float]]


def draw(samples: Sequence[Sample]) -> str:
    """Return an SVG of three panels over one axis of minutes."""
    ends = samples[-1].at
    names = [name for name in samples[0].held if name not in _KILLED_ONLY]
    memory = [
        _Line(name, _COLOURS[n % len(_COLOURS)], [(s.at, s.held[name].rss_mb) for s in samples if name in s.held])
        for n, name in enumerate(names)
    ]
    panels = [
        ("checks recorded a second", [_Line("", _COLOURS[0], [(s.at, s.per_second) for s in samples])]),
        ("lag p99, ms", [_Line("", _COLOURS[1], [(s.at, s.lag_ms or 0.0) for s in samples])]),
        ("memory, MB", memory),
    ]
    height = _TOP + len(panels) * (_PANEL + _GAP)
    body = "\n".join(
        line
        for n, (title, lines) in enumerate(panels)
        for line in _panel(_TOP + n * (_PANEL + _GAP), title, lines, ends, _restarts(samples))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"'
        f' font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _restarts(samples: Sequence[Sample]) -> list[float]:
    """When any process was found to be another one than before."""
    pairs = zip(samples, samples[1:], strict=False)
    return [b.at for a, b in pairs if any(a.pids.get(name) != pid for name, pid in b.pids.items())]


def _panel(top: int, title: str, lines: list[_Line], ends: float, restarts: list[float]) -> Iterator[str]:
    most = max((y for line in lines for _, y in line.points), default=1.0) * 1.1 or 1.0
    right = _WIDTH - 20

    def x(at: float) -> float:
        return round(_LEFT + at / ends * (right - _LEFT), 1)

    def y(value: float) -> float:
        return round(top + _PANEL - value / most * _PANEL, 1)

    yield f'<text x="{_LEFT}" y="{top - 6}" font-weight="bold">{title}</text>'
    yield f'<rect x="{_LEFT}" y="{top}" width="{right - _LEFT}" height="{_PANEL}" fill="none" stroke="#d0d7de"/>'
    for share in (0.0, 0.5, 1.0):
        value = most / 1.1 * share
        yield f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end" fill="#57606a">{value:,.0f}</text>'
    for at in restarts:
        yield f'<line x1="{x(at)}" x2="{x(at)}" y1="{top}" y2="{top + _PANEL}" stroke="#eaeef2"/>'
    for line in lines:
        points = " ".join(f"{x(at)},{y(value)}" for at, value in line.points)
        yield f'<polyline fill="none" stroke="{line.colour}" stroke-width="1.5" points="{points}"/>'
    named = [line for line in lines if line.name]
    for n, line in enumerate(named):
        yield f'<text x="{right - 90 * (len(named) - n)}" y="{top - 6}" fill="{line.colour}">{line.name}</text>'
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        minutes = ends / 60 * share
        anchor = "end" if share == 1.0 else "middle"
        yield f'<text x="{x(ends * share)}" y="{top + _PANEL + 15}" text-anchor="{anchor}">{minutes:.2g} min</text>'
