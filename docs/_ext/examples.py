"""Examples as a reader wants them: without the empty line that ends an example for doctest."""

from __future__ import annotations

from typing import Any

from docutils import nodes


def tidy(app: Any, document: nodes.document) -> None:
    for block in document.findall(nodes.literal_block):
        text = block.astext()
        if text != text.rstrip():
            block.rawsource = text.rstrip()
            block.children = [nodes.Text(text.rstrip())]


def setup(app: Any) -> dict[str, Any]:
    app.connect("doctree-read", tidy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
