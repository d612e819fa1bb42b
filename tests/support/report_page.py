"""A report, read as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """The report's tags with their attributes, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self._skipping = 0
        self.feed(html)
        self.words = re.sub(r"\s+", " ", self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._skipping += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._skipping -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words += f"{data} "

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attributes[name] for found, attributes in self.tags if found == tag and name in attributes]
