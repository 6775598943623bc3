"""Sphinx configuration; the contract page is made from the clauses at every build."""

from pathlib import Path

from sphinx.application import Sphinx

import movable
from movable.conformance import contract_markdown

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


def _write_contract(app: Sphinx) -> None:
    """Write contract.md from the clauses and checks of the installed package."""
    text = f"# The contract\n\n{contract_markdown()}"
    target = Path(app.srcdir) / "contract.md"
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def setup(app: Sphinx) -> None:
    """Connect the contract page to the build."""
    app.connect("builder-inited", _write_contract)
