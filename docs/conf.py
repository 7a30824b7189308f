"""How Sphinx builds the site: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import chainrule

project = "chainrule"
author = "the chainrule authors"
copyright = author
version = release = chainrule.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "commands",  # these and those below are in _ext
    "mathml",
    "pictures",
    "docstrings",
    "examples",
    "links",
]
templates_path = ["_templates"]
exclude_patterns = ["_ext", "_templates", "requirements.lock"]
nitpicky = False
default_role = "py:obj"  # `name` in a docstring: a link where there is such a name

# Markdown: $formulas$, and links to headings, on every page.
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
autosummary_generate = True
autosummary_ignore_module_all = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Returns (when called)", "returns_style")]

html_theme = "furo"
html_title = "chainrule"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b5fa5",
        "color-brand-content": "#0b5fa5",
    },
    "dark_css_variables": {
        "color-brand-primary": "#79c0ff",
        "color-brand-content": "#79c0ff",
    },
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

# What a reader copies from an example is the code alone.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
