"""Make the pictures of the documentation from real runs: ``make pictures``."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

import chainrule as cr

IMAGES = Path(__file__).parent / "images"
LOSS = "L = -(y*log(p) + (1-y)*log(1-p)); p = 1/(1 + exp(-W*x))"
SHOWN = ("Loss", "ROC", "Calibration", "Columns")  # of the report
STEP, LINE, MARGIN = 8.0, 21.0, 18.0  # width of a character, height of a line, border, in px
STYLE = """
  .paper { fill: #fbfbf8; stroke: #d8d8d0; }
  text { font: 13.3px "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #24292f; }
  .prompt { fill: #57606a; } .head { fill: #57606a; font-weight: bold; }
  .result { fill: #0550ae; font-weight: bold; }
  line { stroke: #c9c9c0; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #161b22; stroke: #30363d; } text { fill: #e6edf3; }
    .prompt, .head { fill: #9198a1; } .result { fill: #79c0ff; } line { stroke: #3d444d; }
  }
"""


def drawn(lines: list[str]) -> str:
    """Lines of a terminal as an SVG; rules are drawn as lines, so that every font aligns."""
    width = max(map(len, lines)) * STEP + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}">',
        f"<style>{STYLE}</style>",
        '<rect class="paper" x="0.5" y="0.5" rx="8" '
        f'width="{width - 1:g}" height="{height - 1:g}"/>',
    ]
    rules = 0
    for row, line in enumerate(lines):
        top = MARGIN + row * LINE
        if line.startswith("──"):
            rules += 1
            y = top + LINE / 2
            parts.append(f'<line x1="{MARGIN}" x2="{width - MARGIN:g}" y1="{y:g}" y2="{y:g}"/>')
        kind = "prompt" if row == 0 else "head" if not rules else "result" if rules == 2 else ""
        for run in re.finditer(r"[^ │─┼]+(?: [^ │─┼]+)*", line):
            x, length = MARGIN + run.start() * STEP, len(run.group()) * STEP
            parts.append(
                f'<text class="{kind}" x="{x:g}" y="{top + 15:g}" textLength="{length:g}" '
                f'lengthAdjust="spacingAndGlyphs">{escape(run.group())}</text>'
            )
        for bar in re.finditer(r"[│┼]", line):
            x = MARGIN + (bar.start() + 0.5) * STEP
            parts.append(f'<line x1="{x:g}" x2="{x:g}" y1="{top:g}" y2="{top + LINE:g}"/>')
        if rules == 2 and not line.strip():
            rules = 3  # what follows the table is text again
    return "\n".join([*parts, "</svg>"]) + "\n"


def terminal(name: str, *arguments: str) -> None:
    """Run ``chainrule`` with the arguments and draw the command and what it prints."""
    command = [sys.executable, "-m", "chainrule", *arguments]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip()
    shown = " ".join(f'"{a}"' if " " in a else a for a in arguments)
    (IMAGES / name).write_text(drawn([f"$ chainrule {shown}", "", *text.splitlines()]), "utf-8")


def report(name: str, *arguments: str) -> None:
    """Run ``chainrule train`` and put four charts of its report side by side."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "chainrule", "train", *arguments, "-q", "--out", folder]
        subprocess.run(command, capture_output=True, check=True)
        page = Path(folder, "report.html").read_text("utf-8")
    figures = re.findall(r"<figure><figcaption><b>(.*?)</b>.*?(<svg .*?</svg>)", page, re.DOTALL)
    # Of two pictures with the same title the later one is the network's.
    drawn = dict(figures)
    wide, high = 460.0, 402.0
    parts, bottom = [], 0.0
    for k, (title, svg) in enumerate((t, s) for t, s in drawn.items() if t.startswith(SHOWN)):
        x, y = MARGIN + k % 2 * (wide + 40), MARGIN + k // 2 * (high + 40)
        height = float(re.search(r'viewBox="0 0 \S+ (\S+)"', svg)[1])
        parts.append(f'<text x="{x:g}" y="{y + 14:g}" class="title">{title}</text>')
        placed = f'<svg x="{x:g}" y="{y + 26:g}" width="{wide:g}" height="{height:g}"'
        parts.append(svg.replace("<svg", placed, 1))
        bottom = max(bottom, y + 26 + height)
    style = re.search("<style>(.*?)@media .max-width", page, re.DOTALL)[1]
    colours = style[: style.index("* {")]  # the light and the dark ones
    rules = "\n".join(re.findall(r"\.(?:chart[^{]*|c\d |grey )\{[^}]*\}", style))
    rules += "\n.title { font-weight: 600; font-size: 15px; fill: var(--ink); }"
    (IMAGES / name).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * wide + 80:g} {bottom + 8:g}">\n'
        f"<style>{colours}{rules}\n"
        "svg { font-family: system-ui, sans-serif; } .paper { fill: var(--card); }</style>\n"
        f'<rect class="paper" width="100%" height="100%" rx="8"/>\n{"".join(parts)}</svg>\n',
        "utf-8",
    )


def error(w: float, x: float, y: float) -> float:
    residual = w * x - y
    return residual**2


def drawing(name: str) -> None:
    """Both passes through the graph of a squared error, step by step."""
    graph = cr.trace(error)(2.0, 3.0, 5.0)
    graph.draw(frames=True, direction="right").save(IMAGES / name)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    terminal("explain.svg", "explain", LOSS, "--at", "W=3,x=3,y=1", "--wrt", "W", "--mode", "both")
    drawing("drawing.svg")
    report("report.svg", "heart")
