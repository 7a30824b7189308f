"""The bundled heart data against an independent reading of the file."""

from __future__ import annotations

from importlib import resources

from chainrule.data import column_kinds, load_heart

FILES = resources.files("chainrule.data") / "files"


def test_every_cell_is_read() -> None:
    lines = (FILES / "heart.csv").read_text("utf-8").splitlines()
    table = load_heart()
    assert list(table.names) == lines[0].split(",")
    rows = zip(*(table.column(name) for name in table.names), strict=True)
    assert [",".join(row) for row in rows] == lines[1:]
    assert (len(lines) - 1, sum(line.endswith(",yes") for line in lines)) == (270, 120)


def test_kinds_of_the_13_features() -> None:
    kinds = column_kinds(load_heart(), "disease")
    assert [name for name, kind in kinds.items() if kind == "numeric"] == [
        "age", "rest_bp", "cholesterol", "max_heart_rate", "st_depression", "major_vessels",
    ]  # fmt: skip
    assert len(kinds) == 13


def test_the_licence_is_beside_the_data() -> None:
    text = (FILES / "LICENSES.md").read_text("utf-8")
    for part in ("UCI Machine Learning Repository", "data set 145", "Statlog (Heart)", "CC BY 4.0"):
        assert part in text
