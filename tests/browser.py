"""Debian's Chromium, driven by Playwright, for tests of the pages: a real browser against a real server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

_FLAGS = (
    "--no-sandbox",  # refused to root otherwise
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # a page that asks anybody else for anything fails
)
_MISSING = "Chromium is missing, so this page is not tested. Install it: apt-get install chromium"
_PATIENCE = 30_000  # milliseconds; a guard, many times the usual
WIDTHS = {"narrow": 360, "usual": 1280}
LOOKS = ((WIDTHS["usual"], "light"), (WIDTHS["narrow"], "dark"))  # each width and each colour scheme once


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Where there is none the test is skipped, saying how to get one; with CI set it fails."""
    path = shutil.which("chromium")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_MISSING)
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Watched:
    """A page, with what went wrong on it: console errors, exceptions, requests refused by the page's policy."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def expect_no_faults(self) -> None:
        """Fail when the console has an error."""
        assert self.faults == []


@contextmanager
def page_of(browser: Browser, base: str, width: int = 1280, scheme: str = "light") -> Iterator[Watched]:
    """A new page whose addresses begin at `base`; at the end no console error may have been seen."""
    context = browser.new_context(
        base_url=base, viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    context.set_default_timeout(_PATIENCE)
    watched = Watched(context.new_page())
    watched.page.on("console", lambda message: _note(watched, message))
    watched.page.on("pageerror", lambda error: watched.faults.append(str(error)))
    try:
        yield watched
        watched.expect_no_faults()
    finally:
        context.close()


def _note(watched: Watched, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        watched.faults.append(f"{message.type}: {message.text}")


def expect_accessible(page: Page) -> None:
    """axe-core finds no violation on the page as it is now, and nothing is wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"the page is {overflow} px wider than its window"
