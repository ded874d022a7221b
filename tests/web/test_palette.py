"""The palette's gate, computed from static/tokens.css: contrast by WCAG 2, distance by CIEDE2000, also for eyes that
see two kinds of colour (Machado, Oliveira and Fernandes 2009, full severity). Standard library only.
"""

import re
from itertools import combinations
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "static"
CSS = (STATIC / "tokens.css").read_text()
STATUSES = ("healthy", "degraded", "unhealthy", "unknown")
FILLS = (*STATUSES, "starting", "maintenance")

Rgb = tuple[float, float, float]
EYES: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def tokens(selector: str) -> dict[str, str]:
    """The hex tokens of the first rule with this selector that holds any."""
    for body in re.findall(re.escape(selector) + r"\s*\{([^}]*)\}", CSS):
        if found := dict(re.findall(r"--([\w-]+):\s*(#[0-9A-Fa-f]{6})", body)):
            return found
    raise AssertionError(f"no tokens for {selector}")


THEMES = {"light": tokens(":root"), "dark": tokens("[data-bs-theme=dark]")}


def linear(colour: str) -> Rgb:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return r, g, b


def contrast(one: str, other: str) -> float:
    lights = sorted(sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def lab(colour: str, eyes: str) -> Rgb:
    r, g, b = (min(1.0, max(0.0, sum(m * p for m, p in zip(row, linear(colour), strict=True)))) for row in EYES[eyes])
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(one: Rgb, other: Rgb) -> float:
    """CIEDE2000 (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c_mean = (hypot(a1, b1) + hypot(a2, b2)) / 2
    g = 0.5 * (1 - sqrt(c_mean**7 / (c_mean**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = hypot(a1, b1), hypot(a2, b2)
    h1, h2 = degrees(atan2(b1, a1)) % 360, degrees(atan2(b2, a2)) % 360
    dh = 0.0 if not c1 * c2 else (h2 - h1 + 180) % 360 - 180
    d_hue = 2 * sqrt(c1 * c2) * sin(radians(dh / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = h1 + h2 if not c1 * c2 else (h1 + dh / 2) % 360
    t = 1 - 0.17 * cos(radians(hm - 30)) + 0.24 * cos(radians(2 * hm))
    t += 0.32 * cos(radians(3 * hm + 6)) - 0.20 * cos(radians(4 * hm - 63))
    s_l = 1 + 0.015 * (lm - 50) ** 2 / sqrt(20 + (lm - 50) ** 2)
    s_c, s_h = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    turn = -2 * sqrt(cm**7 / (cm**7 + 25**7)) * sin(radians(60 * exp(-(((hm - 275) / 25) ** 2))))
    dl, dc, dhh = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    return sqrt(dl**2 + dc**2 + dhh**2 + turn * dc * dhh)


def nearest(theme: str, names: tuple[str, ...], eyes: str) -> float:
    return min(distance(lab(THEMES[theme][a], eyes), lab(THEMES[theme][b], eyes)) for a, b in combinations(names, 2))


def test_the_distance_is_the_published_one():
    assert distance((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert distance((50, 2.5, 0), (73, 25, -18)) == pytest.approx(27.1492, abs=1e-4)


def test_the_dark_tokens_are_the_same_whoever_chose_them():
    assert tokens(":root:not([data-bs-theme])") == THEMES["dark"]
    assert THEMES["dark"].keys() == THEMES["light"].keys()


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("theme", THEMES)
def test_statuses_are_told_apart_by_every_eye(theme: str, eyes: str):
    assert nearest(theme, STATUSES, eyes) >= 15
    assert nearest(theme, FILLS, eyes) >= 8


@pytest.mark.parametrize("theme", THEMES)
def test_fills_stand_out_from_every_ground_they_meet(theme: str):
    t = THEMES[theme]
    grounds = ["canvas", "surface", "sunken"]

    weak = [(f, g) for f in FILLS for g in (*grounds, f"{f}-tint") if contrast(t[f], t[g]) < 3]
    weak += [("edge", g) for g in grounds if contrast(t["edge"], t[g]) < 3]
    assert weak == []


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_every_ground_it_stands_on(theme: str):
    t = THEMES[theme]
    pairs = [(ink, ground) for ink in ("ink", "ink-2", "ink-3") for ground in ("canvas", "surface", "sunken", "raised")]
    pairs += [(f"{f}-ink", g) for f in FILLS for g in ("canvas", "surface", f"{f}-tint")]
    pairs += [("accent", "surface"), ("accent", "canvas"), ("on-accent", "accent"), ("on-danger", "danger")]

    assert [(a, b) for a, b in pairs if contrast(t[a], t[b]) < 4.5] == []


def test_no_picture_is_drawn_from_a_style_sheet():
    for sheet in STATIC.glob("*.css"):
        assert not {"url(", "@import"} & set(re.findall(r"url\(|@import", sheet.read_text())), sheet.name
