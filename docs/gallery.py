"""Make the page of all figures, and its pictures, from real runs: a part of ``make pictures``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from chainrule.plot import FIGURES, figure

DOCS = Path(__file__).parent
WIDTH = 1000  # of a figure, in px
INTRODUCTION = """# Figures

What the lecture's pictures show, each from a run that the library makes when it is drawn: no
numbers are kept. All of them, or some by name, from the command line:

```
chainrule figures --out pictures
chainrule figures stability race --out pictures --format svg
chainrule figures --list
```

or each by a function, on axes of your own if you like, and with other settings:

```python
>>> import chainrule as cr
>>> axes = cr.plot.learning_rates()  # shows itself in a notebook; axes.figure.savefig("rates.png")
>>> runs = cr.plot.descent.learning_rate_runs(rates=(0.2, 1.0, 1.95))
>>> from matplotlib.figure import Figure
>>> mine = Figure(figsize=(12, 4), layout="constrained").subplots(1, 3)
>>> axes = cr.plot.learning_rates(ax=mine, runs=runs)

```

The functions need matplotlib (`pip install 'chainrule[plot]'`) and leave its settings alone. `make
pictures` makes this page.
"""


def gallery() -> str:
    """The page with every figure: its name, what it shows, the picture, and what to look at."""
    page = INTRODUCTION
    theme = ""
    for name, entry in FIGURES.items():
        if entry.theme != theme:
            theme = entry.theme
            page += f"\n## {theme[0].upper()}{theme[1:]}\n"
        page += f"\n### {name}\n\n{entry.title}\n\n![{entry.title}](images/figures/{name}.png)\n"
        page += f"\n{entry.look}\n"
    return page


def figures(names: list[str]) -> None:
    """The figures of these names, small and in few colours, and the page that shows all."""
    folder = DOCS / "images" / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        drawn = io.BytesIO()
        figure(name).savefig(drawn, dpi=WIDTH / 10)
        small = Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE)
        small.save(folder / f"{name}.png", optimize=True)
    (DOCS / "figures.md").write_text(gallery(), "utf-8")


if __name__ == "__main__":
    figures(sys.argv[1:] or list(FIGURES))
