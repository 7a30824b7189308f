"""Engines: a graph becomes a callable, by NumPy node by node or by native code."""
