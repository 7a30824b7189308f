"""Pages in a browser: without errors, without the network, and on a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from chainrule.report.comparing import comparison
from chainrule.report.page import page
from chainrule.report.runs import read_runs
from chainrule.report.work import Work
from chainrule.train.tabular.results import save

BROWSER = next(
    (b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium to open pages with")

# In a frame as narrow as a phone: how wide the page is, and which elements stick out of it.
FRAME = """<body><iframe style="width:390px;height:800px;border:0" srcdoc="{}"></iframe><script>
addEventListener("load", () => {{
  const inner = document.querySelector("iframe").contentDocument;
  const out = [...inner.querySelectorAll("p, li, h1, h2, h3, figure, nav, dd, .wide, pre")]
    .filter((e) => e.getBoundingClientRect().right > 390.5);
  const texts = [...inner.querySelectorAll(".chart text")].map((t) => parseFloat(
    inner.defaultView.getComputedStyle(t).fontSize) * t.getScreenCTM().a);
  document.title = `width ${{inner.documentElement.scrollWidth}} out ${{out.length}} ` +
    `least ${{Math.min(...texts).toFixed(1)}} charts ${{inner.querySelectorAll(".chart").length}}`;
}});
</script>"""


def opened(path: Path, tmp_path: Path, *options: str) -> tuple[str, str]:
    """The page's elements after loading, and what the browser logged."""
    assert BROWSER is not None
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--enable-logging=stderr", "--hide-scrollbars", *options,
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return ran.stdout, ran.stderr


@pytest.mark.parametrize("kind", ["heart", "hostile", "houses"])
def test_no_errors_and_no_network(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    work: Work = request.getfixturevalue(kind)
    path = tmp_path / "report.html"
    path.write_text(page(work), "utf-8")
    dom, log = opened(path, tmp_path, "--host-resolver-rules=MAP * 0.0.0.0")
    assert "CONSOLE" not in log
    assert "alert(" in dom or kind != "hostile"
    assert "<script" not in dom
    assert dom.count("<svg") == path.read_text("utf-8").count("<svg")


@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_a_phone(kind: str, tmp_path: Path, heart: Work, heart_page: str) -> None:
    shown = heart_page
    if kind == "comparison":
        folders = [tmp_path / name for name in ("one", "other")]
        for folder in folders:
            save(heart.study, heart.baseline, heart.models, folder)
        shown = comparison(read_runs(folders))
    path = tmp_path / "frame.html"
    path.write_text(FRAME.format(escape(shown)), "utf-8")
    dom, log = opened(path, tmp_path)
    assert "CONSOLE" not in log
    found = re.search(r"<title>width (\d+) out (\d+) least ([\d.]+) charts (\d+)</title>", dom)
    assert found, dom[:200]
    width, out, least, number = (float(v) for v in found.groups())
    assert (width, out) == (390, 0)
    assert least >= 9.5  # CSS pixels
    assert number >= 7


def test_paper(tmp_path: Path, heart_page: str) -> None:
    path, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    path.write_text(heart_page, "utf-8")
    opened(path, tmp_path, f"--print-to-pdf={printed}")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type /Page\b", content)) <= 9
