"""After the build: every link within the site leads to a page that is there, and to its place."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


class Reader(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors.update(v for k in ("id", "name") if (v := found.get(k)))
        self.links.extend(v for k in ("href", "src") if (v := found.get(k)))


def dead(folder: Path) -> list[tuple[Path, str]]:
    """The links of the site in a folder that lead nowhere in it: (page, link)."""
    pages = {p.resolve(): Reader(p.read_text("utf-8")) for p in folder.rglob("*.html")}
    found = []
    for page, reader in pages.items():
        for link in reader.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            known = pages.get(target)
            if not target.exists() or (
                known and parts.fragment and unquote(parts.fragment) not in known.anchors
            ):
                found.append((page.relative_to(folder.resolve()), link))
    return found


def check(app: Any, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        for page, link in dead(Path(app.outdir)):
            LOGGER.warning("%s: the link %s is dead", page, link)


def setup(app: Any) -> dict[str, Any]:
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
