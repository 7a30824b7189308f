"""The script that makes the stored figures needs the peers, and is run by hand."""

collect_ignore = ["reference/figures.py"]
