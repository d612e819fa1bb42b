"""Charts as inline SVG in the page's own colours and letters, light or dark as the reader has it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.sax.saxutils import quoteattr

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, SOFT, LINE, EXPERT, NETWORK, REFUSED, PANEL = (f"#01020{number}" for number in range(7))
"""Colours that nothing else has: each becomes the page's variable of that name."""
_VARIABLES = dict(
    zip(
        (INK, SOFT, LINE, EXPERT, NETWORK, REFUSED, PANEL),
        ("ink", "soft", "line", "expert", "network", "refused", "panel"),
        strict=True,
    )
)


def style(ink: str, soft: str, line: str) -> dict[Any, Any]:
    """How charts look, for `mpl.rc_context`."""
    return {
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",
        "font.size": 8,
        "text.color": ink,
        "axes.labelcolor": soft,
        "axes.titlecolor": ink,
        "axes.titlesize": 9,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.edgecolor": line,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "grid.color": line,
        "grid.linewidth": 0.6,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": soft,
        "ytick.labelcolor": soft,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "legend.labelcolor": soft,
        "lines.linewidth": 1.4,
        "lines.solid_capstyle": "round",
    }


WIDE, HALF = 9.2, 4.5
"""Widths of charts in inches, for letters of one size on the page."""


class Drawing:
    """A chart that is being drawn; `svg` holds it afterwards."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.svg = Markup("")

    def axes(self, rows: int = 1, **options: Any) -> list[Axes]:
        """Panels one below the other."""
        return list(self.figure.subplots(rows, 1, squeeze=False, **options)[:, 0])


@contextmanager
def drawing(name: str, description: str, *, width: float, height: float) -> Iterator[Drawing]:
    """Draw a chart, `width` by `height` inches.

    `name` keeps its ids apart from other charts', `description` is for those who do not see it.
    """
    with mpl.rc_context(style(INK, SOFT, LINE) | {"svg.hashsalt": name}):
        made = Drawing(Figure(figsize=(width, height), layout="constrained"))
        yield made
        buffer = io.StringIO()
        made.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    made.svg = _inline(buffer.getvalue(), description, "chart wide" if width == WIDE else "chart")


def _inline(svg: str, description: str, classes: str) -> Markup:
    """The drawing alone: no prolog, no metadata, no style that would reach beyond it, and no fixed size."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style type=\"text/css\">.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;?", "", body)
    body = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    view = re.search(r'viewBox="[^"]+"', body)
    assert view is not None
    opening = f'<svg {view[0]} role="img" aria-label={quoteattr(description)} class="{classes}">'
    return Markup(opening + body[body.index(">") + 1 :])  # noqa: S704 - matplotlib escapes every text in it
