# make run    set up and do the main job
# make test   set up and check everything
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := chainrule tests benchmarks docs

.PHONY: run test format docs bench accuracy pictures lock clean

run: $(VENV)/run.stamp
	$(BIN)/chainrule train heart

test: $(VENV)/test.stamp
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist worksteal

format: $(VENV)/test.stamp
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

pictures: $(VENV)/test.stamp
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/gallery.py

# The site of the documentation, with its pictures made anew; a warning is an error.
docs: $(VENV)-docs/docs.stamp
	rm -rf docs/_made docs/reference/generated build/docs
	PYTHONPATH=. $(VENV)-docs/bin/sphinx-build --fail-on-warning --keep-going --quiet -d build/docs/.doctrees docs build/docs/html
	@echo "The site is in build/docs/html/index.html"

$(VENV)-docs/docs.stamp: docs/requirements.lock
	test -x $(VENV)-docs/bin/python || $(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip --disable-pip-version-check --quiet install -r docs/requirements.lock
	touch $@

# The benchmarks compare with other libraries, which are installed beside the environment.
# make bench NAMES="scalar adam" runs some of them, NAMES=--quick tries whether all of them run.
bench: $(VENV)-bench/bench.stamp
	PYTHONPATH=. $(VENV)-bench/bin/python -m benchmarks $(NAMES)

# How well the models learn: about twelve minutes, most of them for the digits.
accuracy: $(VENV)-bench/bench.stamp
	PYTHONPATH=. $(VENV)-bench/bin/python -m benchmarks.accuracy

$(VENV)-bench/bench.stamp: benchmarks/requirements.lock
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip --disable-pip-version-check --quiet install -r benchmarks/requirements.lock
	touch $@

$(VENV)/run.stamp: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/test.stamp: requirements-test.lock $(VENV)/run.stamp
	$(PIP) install -r requirements-test.lock
	touch $@

# Pins anew what pyproject.toml asks for: the newest versions that fit together.
lock:
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install hatchling editables
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install --no-build-isolation -e .
	build/lock/bin/python -m pip --disable-pip-version-check freeze --exclude-editable > requirements.lock
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install --no-build-isolation -e '.[test]'
	build/lock/bin/python -m pip --disable-pip-version-check freeze --exclude-editable > requirements-test.lock
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install hatchling editables
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install --no-build-isolation -e '.[docs]'
	build/lock/bin/python -m pip --disable-pip-version-check freeze --exclude-editable > docs/requirements.lock
	rm -rf build/lock

clean:
	rm -rf $(VENV) $(VENV)-bench $(VENV)-docs docs/_made docs/reference/generated build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
