"""chainrule beside its peers, in one process environment: ``python -m benchmarks``."""
