"""Filters as one readable line of text: `mrr > 100 AND NOT traits.plan in ("free", "trial")`. docs/filters.md has all.

The text stands for the JSON form and nothing else: what it means is said there.
"""

from app.domain.filters.text.reader import parse_text
from app.domain.filters.text.writer import render_text

__all__ = ["parse_text", "render_text"]
