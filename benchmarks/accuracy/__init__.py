"""How well the models learn, beside the peers' models: ``python -m benchmarks.accuracy``."""
