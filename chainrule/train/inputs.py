"""What users hand in as inputs: arrays, dicts and tuples of them, and data frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DataError, ShapeError
from chainrule.nn.naming import user_line
from chainrule.tracing import flatten, paths_of, unflatten

Columns = tuple[str, ...] | None


def as_inputs(x: Any, name: str = "x", columns: Columns = None) -> tuple[Any, Columns]:
    """Inputs as an array, or a tree of arrays, with rows first.

    Args:
        x: an array (memory-mapped ones stay on disk), nested lists of numbers, a dict or a tuple
            of arrays for networks of several inputs, or a data frame of numeric columns (pandas,
            Polars, Arrow).
        name: what errors call it.
        columns: those that a data frame had when the model was trained; they are taken by name.

    Returns:
        (arrays, the names of the columns, None where x is no data frame).

    Raises:
        DataError: something that is not made of numbers, or missing columns or values.

    >>> as_inputs([[1, 2], [3, 4]])[0].shape
    (2, 2)
    """
    if isinstance(x, (dict, tuple)):
        leaves, spec = flatten(x)
        paths = paths_of(x, name)
        arrays = [as_inputs(leaf, p)[0] for leaf, p in zip(leaves, paths, strict=True)]
        return unflatten(spec, arrays), None
    if not isinstance(x, (np.ndarray, list)):
        frame = _frame(x)
        if frame is not None:
            return _columns(frame, name, columns)
    return _numbers(as_array(x, name), name), None


def as_array(x: Any, name: str) -> np.ndarray:
    """NumPy's array of it.

    Raises:
        DataError: rows of different lengths.
    """
    if isinstance(x, np.ndarray):
        return _of_numbers(x) if x.dtype == object else x
    if hasattr(x, "toarray"):
        raise DataError(
            f"{name} is a sparse matrix",
            got=f"a {type(x).__name__} of shape {getattr(x, 'shape', '?')}",
            line=user_line(),
            remedy=f"give {name}.toarray(), and encoders of scikit-learn sparse_output=False",
        )
    try:
        return np.asarray(x)
    except ValueError as error:
        raise DataError(
            f"{name} cannot be made an array",
            got=str(error),
            line=user_line(),
            remedy="give every row as many numbers",
        ) from None


def _of_numbers(x: np.ndarray) -> np.ndarray:
    """An array of objects that are numbers, as tables of several kinds become, as numbers."""
    if all(isinstance(v, (int, float, np.number, np.bool_)) for v in x.flat):
        return x.astype(float)
    return x


def is_frame(x: Any) -> bool:
    """Is it a data frame or a series of a library that narwhals knows?"""
    return not isinstance(x, (np.ndarray, list, tuple, dict)) and _frame(x) is not None


def _frame(x: Any) -> Any:
    """A data frame or series as narwhals sees it, or None."""
    if not hasattr(type(x), "columns") and not hasattr(type(x), "to_numpy"):
        return None
    import narwhals as nw

    from chainrule.data.frames import as_narwhals

    found = as_narwhals(x)
    if isinstance(found, nw.LazyFrame):
        return found.collect()
    return found if isinstance(found, (nw.DataFrame, nw.Series)) else None


def _columns(frame: Any, name: str, columns: Columns) -> tuple[Any, Columns]:
    """The numbers of a data frame, shape (rows, columns)."""
    import narwhals as nw

    from chainrule.data.frames import with_names

    if isinstance(frame, nw.Series):
        frame = frame.to_frame()
    frame = with_names(frame)
    if columns is not None:
        missing = [c for c in columns if c not in frame.columns]
        if missing:
            raise DataError(
                f"{name} lacks columns that the model was trained with",
                got=f"no {', '.join(missing)} among {', '.join(frame.columns)}",
                line=user_line(),
                remedy="give a data frame with the same columns, in any order",
            )
        frame = frame.select(*columns)
    for column in frame.columns:
        kind = frame[column].dtype
        if not (kind.is_numeric() or kind == nw.Boolean):
            raise DataError(
                f"the column '{column}' of {name} is not made of numbers",
                got=f"a column of {kind}",
                line=user_line(),
                remedy="encode it as numbers first, drop it, or let `chainrule train` do both",
            )
        if frame[column].is_null().any():
            raise DataError(
                f"the column '{column}' of {name} has missing values",
                got=f"{int(frame[column].is_null().sum())} of {len(frame)} rows without a value",
                line=user_line(),
                remedy="fill them in or drop the rows first",
            )
    # Some libraries make objects of numbers and truth values side by side.
    truths = [c for c in frame.columns if frame[c].dtype == nw.Boolean]
    frame = frame.with_columns(nw.col(*truths).cast(nw.Int8)) if truths else frame
    # Rows together in memory, as in the arrays of others: products then round alike.
    numbers = np.ascontiguousarray(frame.to_numpy())
    return _numbers(numbers, name), tuple(frame.columns)


def _numbers(x: np.ndarray, name: str) -> np.ndarray:
    if x.dtype.kind not in "fiub":
        raise DataError(
            f"{name} is not made of real numbers",
            got=f"an array of {x.dtype}, shape {x.shape}",
            line=user_line(),
            remedy="encode text as numbers, and give arrays of one shape in all rows",
        )
    if not x.ndim:
        raise ShapeError(
            f"{name} must have the rows as its first axis",
            got="a single number",
            line=user_line(),
            remedy=f"write {name}=[[…], [...]], one row for each example",
        )
    return x


def rows_of(tree: Any, name: str = "x") -> int:
    """The number of rows, the same in all arrays of a tree.

    Raises:
        ShapeError: the arrays differ in it.
        DataError: there are none.
    """
    leaves = flatten(tree)[0]
    counts = [len(leaf) for leaf in leaves]
    if len(set(counts)) > 1:
        parts = ", ".join(f"{p}: {n}" for p, n in zip(paths_of(tree, name), counts, strict=True))
        raise ShapeError(
            f"the parts of {name} have different numbers of rows",
            got=parts,
            line=user_line(),
            remedy="the same row of each part must belong to the same example",
        )
    if not counts or not counts[0]:
        raise DataError(
            f"{name} is empty",
            got=f"{name} with 0 rows",
            line=user_line(),
            remedy="check the file or the filter that it comes from",
        )
    return counts[0]


def same_rows(x: Any, other: Any, name: str) -> None:
    """Refuse targets or weights that are not as many as the inputs."""
    n = rows_of(x)
    if len(other) != n:
        raise ShapeError(
            f"x and {name} have different numbers of rows",
            got=f"{n} rows of x, {len(other)} of {name}",
            line=user_line(),
            remedy=f"give one of {name} for each row of x",
        )


def take(tree: Any, rows: Any, dtype: Any = None) -> Any:
    """Some rows of each array; floating-point numbers in the dtype of the model."""
    leaves, spec = flatten(tree)
    taken = [np.asarray(leaf[rows]) for leaf in leaves]
    return unflatten(
        spec, [t.astype(dtype, copy=False) if dtype and t.dtype.kind == "f" else t for t in taken]
    )


def example_shape(tree: Any) -> Any:
    """The shape of one example: a tuple, or a tree of tuples for several inputs."""
    if isinstance(tree, dict):
        return {key: example_shape(part) for key, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(example_shape(part) for part in tree)
    return tuple(int(n) for n in tree.shape[1:])


def precision(tree: Any) -> np.dtype:
    """float32 if all floating-point inputs are, float64 otherwise.

    >>> precision(np.zeros((2, 3), np.float32)), precision(np.zeros((2, 3), int))
    (dtype('float32'), dtype('float64'))
    """
    kinds = {leaf.dtype for leaf in flatten(tree)[0] if leaf.dtype.kind == "f"}
    return np.dtype(np.float32 if kinds == {np.dtype(np.float32)} else np.float64)
