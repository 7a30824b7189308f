"""The directive ``{help}``: what a command of the command line prints with ``--help``."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PLAIN = {"COLUMNS": "88", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}


class Help(SphinxDirective):
    """The help of ``chainrule COMMAND`` as a block of text."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        command = [sys.executable, "-m", "chainrule", *self.arguments[0].split(), "--help"]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", env=os.environ | PLAIN, check=False
        )
        if done.returncode:
            raise self.error(f"{' '.join(command)} failed: {done.stderr}")
        text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        return [nodes.literal_block(text, text, language="text", classes=["terminal"])]


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("help", Help)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
