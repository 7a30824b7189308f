"""The work of ``chainrule train``: read, train, show, write."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from chainrule.data.bundled import BUNDLED, load
from chainrule.data.csv_file import read_csv
from chainrule.data.table import Table, nearest, word
from chainrule.errors import ArgumentError, DataError
from chainrule.train.save import check_folder, save
from chainrule.train.tabular import Model, Settings, baseline, prepare, train_models


def run(data: str, settings: Settings, folder: Path | None, *, encoding: str, quiet: bool) -> bool:
    """Train on a file or a bundled data set, show the results and write them.

    Args:
        data: the file, or the name of a bundled data set.
        settings: an empty target stands for the bundled data set's own.
        folder: where to write; None for chainrule-out/ and the name of the data.
        encoding: of the file.
        quiet: print only the folder.

    Returns:
        Whether Ctrl-C ended it early. What the models had reached is shown and written.

    Raises:
        ChainruleError: something does not fit; nothing has been written.
    """
    # Rich costs a tenth of a second, which --help need not wait for.
    from rich.console import Console

    from chainrule.cli import report
    from chainrule.cli.one_row import one_weight

    start = time.perf_counter()
    models: list[Model] = []
    try:
        bundled = BUNDLED.get(data)
        table = _table(data, encoding)
        settings = _with_target(settings, data, table)
        folder = folder or Path("chainrule-out") / Path(data).stem
        check_folder(folder)
        study = prepare(table, settings)
        console = Console(highlight=False, markup=False, quiet=quiet)
        report.show_data(console, study, bundled.title if bundled else os.path.basename(data))
        least = baseline(study)
        with report.progress(console, study) as move:
            for model in train_models(study, move):
                models.append(model)
        report.show_scores(console, study, least, models)
        noun = bundled.row if bundled else "row"
        report.show_row(console, study, one_weight(study, models[0]), models[0].name, noun)
        files = save(study, least, models, folder)
        if quiet:
            print(folder)
        report.show_files(console, folder, files, time.perf_counter() - start)
    except KeyboardInterrupt:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return True
    last = models[-1]
    if last.fit.interrupted:
        epoch = f"epoch {len(last.fit.history) + 1} of the {last.name}"
        print(f"Interrupted in {epoch}; what it had reached is written.", file=sys.stderr)
    return last.fit.interrupted


def _table(data: str, encoding: str) -> Table:
    """A bundled data set by its name, otherwise a file."""
    if data in BUNDLED:
        return load(data)
    near = nearest(data, list(BUNDLED), cutoff=0.6)
    if near and not os.path.exists(data):
        raise DataError(
            f"{data} is neither a file nor a bundled data set",
            got=f"bundled: {', '.join(BUNDLED)}",
            remedy=near,
        )
    return read_csv(data, encoding=encoding)


def _with_target(settings: Settings, data: str, table: Table) -> Settings:
    if settings.target:
        return settings
    if data in BUNDLED:
        return replace(settings, target=BUNDLED[data].target)
    raise ArgumentError(
        "which column is to be predicted?",
        got=f"{data} with the columns {', '.join(table.names)}",
        remedy=f"name one: chainrule train {data} --target {word(table.names[-1])}",
    )
