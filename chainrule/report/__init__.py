"""The report of a training run: what was learned, from what, how well, and how to repeat it."""
