"""Branches and loops: `cond`, `while_loop` and `scan`, alike with and without `cr.compile`."""
