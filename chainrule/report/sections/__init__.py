"""The parts of the report, each a function of the run that gives a piece of the page."""
