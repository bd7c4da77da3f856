"""The portal's icons: 20 × 20 grid, 1.75 stroke, round ends, `currentColor`; cut-outs use the
background colour.
"""

from __future__ import annotations

from typing import Final

_LINE: Final = (
    'fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" '
    'stroke-linejoin="round"'
)
_CUT: Final = (
    'fill="none" class="cut" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
)
_RING: Final = f'<circle cx="10" cy="10" r="7.5" {_LINE}/>'


def _line(path: str) -> str:
    return f'<path {_LINE} d="{path}"/>'


def _filled(shape: str, cut: str) -> str:
    return f'<path fill="currentColor" d="{shape}"/><path {_CUT} d="{cut}"/>'


_STATUS: Final = {
    "shield": _filled(
        "M10 1.5 17 4v5.5c0 4.3-2.8 7.4-7 9-4.2-1.6-7-4.7-7-9V4z", "m6.6 9.8 2.5 2.5 4.4-4.8"
    ),
    "disc-tick": '<circle cx="10" cy="10" r="8.25" fill="currentColor"/>'
    f'<path {_CUT} d="m6.4 10.2 2.5 2.5 4.8-5.2"/>',
    "half-disc": f'{_RING}<path fill="currentColor" d="M10 2.5a7.5 7.5 0 0 1 0 15z"/>',
    "flag": _line("M4.5 18V2.5")
    + '<path fill="currentColor" d="M4.5 2.5h11.8l-2.6 4.2 2.6 4.3H4.5z"/>',
    "triangle": _filled(
        "M10 1.8a1.4 1.4 0 0 1 1.2.7l7.4 13a1.4 1.4 0 0 1-1.2 2.1H2.6a1.4 1.4 0 0 "
        "1-1.2-2.1l7.4-13a1.4"
        " 1.4 0 0 1 1.2-.7z",
        "M10 7.2v4.3m0 2.9v.1",
    ),
    "hourglass": _line(
        "M5 2.5h10M5 17.5h10M6 2.5v3c0 2 4 3 4 4.5s-4 2.5-4 4.5v3M14 2.5v3c0 2-4 3-4 4.5s4 "
        "2.5 4 4.5v3"
    ),
    "clock": _RING + _line("M10 5.6V10l3 2"),
    "octagon": _filled(
        "M6.6 1.8h6.8l4.8 4.8v6.8l-4.8 4.8H6.6l-4.8-4.8V6.6z", "m7.2 7.2 5.6 5.6m0-5.6-5.6 5.6"
    ),
    "ring-dot": f'{_RING}<circle cx="10" cy="10" r="2.75" fill="currentColor"/>',
    "dashed-ring": _RING.replace("/>", ' stroke-dasharray="2.2 3.4"/>'),
    "ring": _RING,
    "pause": _RING + _line("M8 7.2v5.6m4-5.6v5.6"),
    "arrow-ring": _line("M16.9 12.4A7.4 7.4 0 1 1 17 8M17.4 3.6V8h-4.3"),
    "square-tick": '<rect x="2.75" y="2.75" width="14.5" height="14.5" rx="2.5" '
    f"{_LINE}/>" + _line("m6.6 10.2 2.4 2.4 4.4-4.8"),
}

_OTHERS: Final = {
    "brand": '<path fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
    'd="M3 3.5c5 0 7.5 2.5 7.5 6.5S8 16.5 3 16.5"/><path fill="none" stroke="currentColor" '
    'stroke-width="2" '
    'stroke-linecap="round" d="M9.5 3.5c4.5 1 6.5 3.3 6.5 6.5s-2 5.5-6.5 6.5" opacity=".55"/>',
    "down": _line("m5 7.5 5 5 5-5"),
    "right": _line("m7.5 5 5 5-5 5"),
    "ask": _line(
        "M10 2 16.5 4.5v5c0 3.9-2.6 6.8-6.5 8.3-3.9-1.5-6.5-4.4-6.5-8.3v-5zM10 7v6M7 10h6"
    ),
    "now": _line("M2 11h3.5L8 5l4 10 2.5-6 1 2H18"),
    "list": _line("M3.5 5h13M3.5 10h13M3.5 15h8"),
    "check-list": _line("m3 5.5 1.5 1.5L7 4m-4 7.500L4.5 13 7 10m3.5-4.5H17M10.5 12H17"),
    "more": "".join(f'<circle cx="{x}" cy="10" r="1.6" fill="currentColor"/>' for x in (4, 10, 16)),
    "person": f'<circle cx="10" cy="7" r="3.5" {_LINE}/>'
    + _line("M3.5 17.5c.7-3 3.2-4.5 6.5-4.5s5.8 1.5 6.5 4.5"),
    "dot": '<circle cx="10" cy="10" r="7" fill="currentColor"/>',
    "save": _line("M10 2.5v10m-4-4 4 4 4-4M3 16.5h14"),
    "phone": _line(
        "M3.5 3h3L8 7 6 8.5a11 11 0 0 0 5.5 5.5l1.5-2 4 1.5v3c0 .8-.7 1.5-1.5 1.5C8.5 18 2 "
        "11.5 2 4.5 2 3.7"
        " 2.7 3 3.5 3z"
    ),
    "information": _RING + _line("M10 9.2v4.3m0-7v.1"),
    "out": _line("M4 10h12m-4.5-4.5L16 10l-4.5 4.5"),
    "in": _line("M16 10H4m4.5-4.5L4 10l4.5 4.5"),
    "copy": _line("M7 7h9.5v9.5H7zM13 7V3.5H3.5V13H7"),
    "tick": _line("m4 10.5 4 4 8-9"),
    "print": _line(
        "M5.5 7V2.5h9V7M5.5 14H3V7h14v7h-2.5M5.5 11.5h9v6h-9z",
    ),
}

ICONS: Final = {**_STATUS, **_OTHERS}
