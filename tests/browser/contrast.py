"""How well the text in a part of the page can be read, from the colours that the browser computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator

READABLE = 4.5
"""What WCAG 2 asks of text of ordinary size."""

# A canvas turns whatever form of colour CSS has into four numbers.
_COLOURS = """root => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const numbers = css => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = css;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, bottom) => {
    const alpha = top[3] + bottom[3] * (1 - top[3]);
    const mix = i => alpha && (top[i] * top[3] + bottom[i] * bottom[3] * (1 - top[3])) / alpha;
    return [mix(0), mix(1), mix(2), alpha];
  };
  const upwards = element => element ? [element, ...upwards(element.parentElement)] : [];
  const background = element => upwards(element)
    .map(one => numbers(getComputedStyle(one).backgroundColor))
    .reduce(over, [0, 0, 0, 0]);
  const found = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (!element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colour = numbers(element instanceof SVGElement ? style.fill : style.color);
    const opacity = upwards(element).reduce((all, one) => all * getComputedStyle(one).opacity, 1);
    const ground = over(background(element), [255, 255, 255, 1]);
    const ink = over([...colour.slice(0, 3), colour[3] * opacity], ground);
    found.push({ text, ink: ink.slice(0, 3), ground: ground.slice(0, 3) });
  }
  return found;
}"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A piece of visible text: its colour and that of what is behind it, red, green and blue up to 255."""

    text: str
    ink: tuple[float, ...]
    ground: tuple[float, ...]

    @property
    def contrast(self) -> float:
        """The contrast as WCAG 2 defines it, from 1 to 21."""
        light, dark = sorted((_luminance(self.ink), _luminance(self.ground)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    def __str__(self) -> str:
        ink, ground = (tuple(round(part) for part in colour) for colour in (self.ink, self.ground))
        return f"{self.contrast:.1f} {self.text[:40]!r}: {ink} on {ground}"


def texts(part: Locator) -> list[Text]:
    """Return all visible pieces of text in the part of the page."""
    return [
        Text(text=one["text"], ink=tuple(one["ink"]), ground=tuple(one["ground"]))
        for one in part.evaluate(_COLOURS)
    ]


def unreadable(part: Locator) -> list[str]:
    """Return the pieces of text that stand out too little from what is behind them."""
    return [str(text) for text in texts(part) if text.contrast < READABLE]


def _luminance(colour: tuple[float, ...]) -> float:
    red, green, blue = (_linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
