"""Chromium, and a visitor in it, for tests of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import chromium
from support.visiting import visiting

# Pages look every 5 s for what others have done: as long as is waited for it if nothing else is said.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visiting(browser) as page:
        yield page
