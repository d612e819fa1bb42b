"""A command and what it says, as a picture of a terminal."""

from __future__ import annotations

import io

from playwright.sync_api import Browser
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from support.commands import Shell

_THEME = TerminalTheme(
    (24, 26, 31),
    (214, 217, 224),
    [
        (60, 64, 72),
        (240, 113, 120),
        (140, 200, 110),
        (230, 190, 100),
        (110, 170, 240),
        (200, 140, 230),
        (90, 200, 210),
        (214, 217, 224),
    ],
)
_PAGE = """<style>
body {{ margin: 0; background: #fff }}
#screen {{ display: inline-block; background: #181a1f; color: #d6d9e0; border-radius: 8px; padding: 16px 20px }}
pre {{ margin: 0; font: 15px/1.45 "DejaVu Sans Mono", monospace }}
</style><div id="screen"><pre>{code}</pre></div>"""


def photograph(browser: Browser, shell: Shell, *arguments: str, columns: int) -> bytes:
    """A PNG of `maskloom ARGUMENTS`. The home bears the name that it has for everybody who chooses none."""
    said = shell(*arguments, FORCE_COLOR="1", COLUMNS=str(columns))
    assert said.code == 0, said.err
    text = said.out.replace(str(shell.home), "~/.maskloom").rstrip()
    assert "/tmp" not in text
    console = Console(record=True, width=columns, file=io.StringIO())
    console.print(Text.assemble(("$ ", "bold green"), (" ".join(("maskloom", *arguments)), "bold")))
    console.print(Text.from_ansi(text))
    code = console.export_html(theme=_THEME, inline_styles=True, code_format="{code}")
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.set_content(_PAGE.format(code=code))
    return page.locator("#screen").screenshot()
