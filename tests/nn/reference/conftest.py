"""The scripts that make the figures need other libraries: pytest doesn't import them."""

collect_ignore_glob = ["*_figures.py"]
