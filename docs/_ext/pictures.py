"""The directive ``{picture}``: what the examples of a page made, as a picture below them.

    ```{picture} graph.draw()
    :alt: the graph of the loss
    A caption.
    ```

The examples of the page above the directive run, in order, and then the expression is evaluated
among their names. It may be a matplotlib figure or axes, or anything that shows itself in a
notebook as SVG or HTML. So a picture comes from the very run that the reader sees.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import linecache
import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

DOTS_PER_INCH = 160
FOLDER = "_made"  # within docs, not kept in git


class Page:
    """A page's examples, run as far as they are needed."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8").replace("\n```", "\n\n```")
        self.examples = doctest.DocTestParser().get_examples(text)
        self.lines = text.splitlines()
        self.names: dict[str, Any] = {}
        self.done = 0

    def run_to(self, expression: str) -> Any:
        """The value of the expression after the examples above its directive."""
        place = next(i for i, line in enumerate(self.lines) if line.endswith("} " + expression))
        with contextlib.redirect_stdout(io.StringIO()):
            while self.done < len(self.examples) and self.examples[self.done].lineno < place:
                self._run(self.examples[self.done])
                self.done += 1
            return eval(expression, self.names)

    def _run(self, example: doctest.Example) -> None:
        name = f"<example on line {example.lineno + 1}>"
        # The library reads the names and lines of its user's code.
        linecache.cache[name] = (len(example.source), None, example.source.splitlines(True), name)
        try:
            exec(compile(example.source, name, "single"), self.names)
        except Exception:
            if example.exc_msg is None:  # the page does not show this error
                raise


class Picture(SphinxDirective):
    """An image or a table made by an expression, with a caption."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "alt": directives.unchanged_required,
        "class": directives.class_option,
    }

    def run(self) -> list[nodes.Node]:
        expression = self.arguments[0]
        pages = self.env.temp_data.setdefault("pictures", {})
        page = pages.setdefault(self.env.docname, Page(Path(self.env.doc2path(self.env.docname))))
        try:
            value = page.run_to(expression)
        except Exception as error:
            raise self.error(f"the picture {expression} failed: {error}") from error
        figure = nodes.figure(classes=["picture", *self.options.get("class", [])])
        if "alt" not in self.options:
            raise self.error("a picture needs :alt:, words for those who do not see it")
        figure += self._shown(value, expression, self.options["alt"])
        if self.content:
            caption = nodes.caption()
            inline, messages = self.parse_inline(" ".join(self.content), lineno=self.lineno)
            caption.extend(inline)
            return [figure.__class__("", *figure.children, caption, classes=figure["classes"]),
                    *messages]  # fmt: skip
        return [figure]

    def _shown(self, value: Any, expression: str, alt: str) -> nodes.Node:
        name = re.sub(r"\W+", "-", f"{self.env.docname}-{expression}").strip("-")[:80]
        folder = Path(self.env.srcdir) / FOLDER
        folder.mkdir(exist_ok=True)
        first = value[0] if isinstance(value, list) else value  # of a figure's axes
        drawn = getattr(first, "figure", first)
        if hasattr(drawn, "savefig"):
            path = folder / f"{name}.png"
            drawn.savefig(path, dpi=DOTS_PER_INCH)
        elif hasattr(value, "_repr_svg_"):
            path = folder / f"{name}.svg"
            path.write_text(value._repr_svg_(), encoding="utf-8")
        elif hasattr(value, "_repr_html_"):
            return nodes.raw("", f'<div class="shown">{value._repr_html_()}</div>', format="html")
        else:
            raise self.error(f"{expression} is a {type(value).__name__}, which shows no picture")
        return nodes.image(uri=f"/{FOLDER}/{path.name}", alt=alt, candidates={})


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("picture", Picture)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
