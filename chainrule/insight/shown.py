"""Results that Jupyter shows as they print."""

from __future__ import annotations

from html import escape


class Shown:
    """A result whose text is what a reader wants, in a notebook too.

    >>> class Found(Shown):
    ...     def __str__(self):
    ...         return "a < b"
    >>> Found()._repr_html_()
    '<pre>a &lt; b</pre>'
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"
