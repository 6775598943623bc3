"""Sphinx configuration; the pages of the contract and its coverage are made from the data at every build."""

from pathlib import Path

from sphinx.application import Sphinx

import movable
from movable.conformance import contract_markdown
from movable.conformance.coverage import coverage_markdown

project = "movable"
author = "The movable authors"
project_copyright = "2026, The movable authors"
version = release = movable.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
default_role = "code"
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"movable {release}"


def _write_pages(app: Sphinx) -> None:
    """Write contract.md and coverage.md from the clauses and checks of the installed package."""
    _write(app, "contract.md", f"# The contract\n\n{contract_markdown()}")
    _write(app, "coverage.md", f"# Coverage of the specification\n\n{coverage_markdown()}")


def _write(app: Sphinx, name: str, text: str) -> None:
    target = Path(app.srcdir) / name
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def setup(app: Sphinx) -> None:
    """Connect the pages to the build."""
    app.connect("builder-inited", _write_pages)
