"""The script that made the reference figures needs libraries which the tests do without."""

collect_ignore = ["reference/generate.py"]
