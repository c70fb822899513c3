"""What the tests of twins look at HTML with."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br"}


class Page(HTMLParser):
    """Reads HTML strictly.

    Attributes
    ----------
    text
        What a reader sees, a line per block.
    tags
        All tags, with their attributes.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.styles: list[str] = []
        self._parts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"not closed: {self._open}"
        self.text = "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in VOID:
            self._parts.append("\n")
        else:
            self._open.append(tag)
        if tag in {"tr", "div"}:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag
        if tag in {"td", "th"}:
            self._parts.append(" | ")

    def handle_data(self, data: str) -> None:
        (self.styles if self._open and self._open[-1] == "style" else self._parts).append(data)
