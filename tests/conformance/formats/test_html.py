"""HTML: one page, readable offline."""

import re
import sys
from html.parser import HTMLParser

import pytest
from conformance.formats.reports import all_passed, every_outcome

from movable import ConfigError
from movable.conformance.formats import to_html

VOID = {"meta", "input", "br", "link", "img", "hr"}


class _Page(HTMLParser):
    """Demands that tags nest, and collects text and tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_tags_nest_and_nothing_is_loaded() -> None:
    """The page is whole, and refers to nothing but places in itself."""
    page = _Page(to_html([every_outcome(), all_passed()]))
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert "@import" not in page.text
    assert "url(" not in page.text


def test_the_page_tells_each_check_with_its_outcome() -> None:
    """Every check has a row that carries its outcome, and failures are told in full at the top."""
    report = every_outcome()
    page = _Page(to_html([report]))
    rows = [attributes["data-outcome"] for tag, attributes in page.tags if "data-outcome" in attributes]
    assert sorted(rows, key=str) == sorted(str(result.outcome) for result in report.checks)
    assert all(result.id in page.text for result in report.checks)
    assert "call oldpage.clear_movable()" in page.text
    assert "movable replay r1.2.3" in page.text


def test_the_page_has_the_denominators() -> None:
    """Each level shows passed / run and its verdict; several drivers begin with a table."""
    text = re.sub(r"\s+", " ", _Page(to_html([every_outcome(), all_passed()])).text)
    assert "1 of 2 drivers passed." in text
    assert "L1 contract fail 2/5" in text
    assert "L2 faults not run not run" in text
    assert "L2 faults pass 1/1" in text


def test_text_of_a_driver_is_no_markup() -> None:
    """Names and messages are escaped."""
    source = to_html([every_outcome("<script>alert(1)</script>")])
    assert "<script>alert" not in source
    assert "&lt;script&gt;alert(1)" in source


def test_without_jinja2_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTML needs an extra; without it the error names it."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ConfigError, match=r"pip install 'movable\[html\]'"):
        to_html([all_passed()])
