"""Looking into a graph: trace tables and drawings."""

from __future__ import annotations

from chainrule.insight.tracing import trace

__all__ = ["trace"]
