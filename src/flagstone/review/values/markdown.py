"""
Render flagged Markdown as safe HTML: without embedded HTML, without pictures, and with links only
to the web and to mail addresses.
"""

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from flagstone.review.values.sanitize import plain

_LINKS = ("https://", "http://", "mailto:")


def render(text: str) -> Markup:
    """Return *text* as HTML."""
    return Markup(_parser().render(str(plain(text))))  # noqa: S704 - its HTML is escaped


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("js-default", {"html": False}).disable(["image", "linkify"])
    parser.validateLink = _is_safe  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _open_link)
    return parser


def _is_safe(url: str) -> bool:
    return url.lower().startswith(_LINKS)


def _open_link(self, tokens, index, options, env):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    tokens[index].attrSet("target", "_blank")
    return self.renderToken(tokens, index, options, env)
