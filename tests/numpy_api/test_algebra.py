"""NumPy's products, contractions and numpy.linalg: NumPy's values, and derivatives."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from tests.differences import check
from tests.numpy_api.cases import QS, M, N, Q, S, T, V, W, case, check_case, marked, traced_result

_rng = np.random.default_rng(5)
TALL = _rng.standard_normal((4, 3))
WEIGHTS = np.arange(9.0).reshape(3, 3)
WIDE = _rng.standard_normal((2, 4))
STACK = _rng.standard_normal((2, 4, 3))
SPD = Q @ Q.T + np.eye(3)
SPDS = QS @ np.swapaxes(QS, -1, -2) + np.eye(3)
SINGULAR = np.outer([1.0, 2.0, -1.0], [0.5, 1.0, 2.0]) + np.outer([0.0, 1.0, 1.0], [1.0, 0.0, 1.0])


def _blocks(a: Any, *shape: int) -> Any:
    """A matrix of four blocks in another shape."""
    return np.kron([[1.0, 0.3], [-0.2, 2.0]], a).reshape(shape)


CASES = [
    case(np.linalg.lstsq, lambda a: np.linalg.lstsq(a, N)[1::2], TALL),
    *(
        case(f, lambda a, b, f=f: f(a, b), x, y)
        for f in (np.dot, np.inner)
        for x, y in ((S, M), (V, S), (V, V + 1), (M, V))
    ),
    case(np.dot, lambda a, b: np.dot(a, b), M, N),
    case(np.dot, lambda a, b: np.dot(a, b), T, N),
    case(np.dot, lambda a, b: np.dot(a, b), V, np.swapaxes(T, 1, 2)),
    case(np.dot, lambda a, b: np.dot(a, b), M, np.swapaxes(T, 1, 2)),
    case(np.dot, lambda a: np.dot(a, [1.0, 2.0, 3.0, 4.0]), M),
    case(np.inner, lambda a, b: np.inner(a, b), M, T),
    case(np.vdot, lambda a, b: np.vdot(a, b), M, N),
    case(np.vdot, lambda a, b: np.vdot(a, b), V, V + 1),
    case(np.outer, lambda a, b: np.outer(a, b), V, W),
    case(np.outer, lambda a, b: np.outer(a, b), M, S),
    case(np.linalg.outer, lambda a, b: np.linalg.outer(a, b), V, W),
    case(np.tensordot, lambda a, b: np.tensordot(a, b), T, M),
    case(np.tensordot, lambda a, b: np.tensordot(a, b, 1), T, N),
    case(np.tensordot, lambda a, b: np.tensordot(a, b, 0), V, W),
    case(np.tensordot, lambda a, b: np.tensordot(a, b, ([0, 1], [1, 0])), M, N),
    case(np.tensordot, lambda a, b: np.tensordot(a, b, (-1, 0)), T, V),
    case(np.linalg.tensordot, lambda a, b: np.linalg.tensordot(a, b, axes=1), M, N),
    case(np.einsum, lambda a, b: np.einsum("ij,jk->ik", a, b), M, N),
    case(np.einsum, lambda a, b: np.einsum("ij,jk", a, b), M, N),
    case(np.einsum, lambda a: np.einsum("ii", a), Q),
    case(np.einsum, lambda a: np.einsum("ii->i", a), Q),
    case(np.einsum, lambda a: np.einsum("iji->j", a), _rng.standard_normal((3, 2, 3))),
    case(np.einsum, lambda a: np.einsum("iii->i", a), _rng.standard_normal((2, 2, 2))),
    case(np.einsum, lambda a: np.einsum("ij->", a), M),
    case(np.einsum, lambda a: np.einsum("ba", a), M),
    case(np.einsum, lambda a, b: np.einsum("...ij,...j->...i", a, b), T, V),
    case(np.einsum, lambda a, b: np.einsum("...,...", a, b), T, V),
    case(np.einsum, lambda a, b: np.einsum("i...->...i", a) * b, T, S),
    case(np.einsum, lambda a, b, c: np.einsum("ij,j,ki->k", a, b, c), M, V, Q),
    case(np.einsum, lambda a, b, c: np.einsum("i,i,i->i", a, b, c), V, V + 1, V * V),
    case(np.einsum, lambda a, b: np.einsum("i,j->j", a, b), V, W),
    case(np.einsum, lambda a, b: np.einsum("bij,bjk->bik", a, b, optimize=True), T, STACK),
    case(np.einsum, lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), M, N),
    case(np.einsum, lambda a, b: np.einsum(a, [0, 1], b, [1, 2]), M, N),
    case(np.einsum, lambda a: np.einsum("ij,ij->i", a, np.ones((3, 1))), M),
    case(np.kron, lambda a, b: np.kron(a, b), M, WIDE),
    case(np.kron, lambda a, b: np.kron(a, b), V, W),
    case(np.kron, lambda a, b: np.kron(a, b), T, V),
    case(np.cross, lambda a, b: np.cross(a, b), W, W * W),
    case(np.cross, lambda a, b: np.cross(a, b), TALL, W),
    case(np.cross, lambda a, b: np.cross(a, b, axis=0), M, Q[:, :1]),
    case(np.linalg.cross, lambda a, b: np.linalg.cross(a, b), TALL, W),
    *(
        case(f, lambda a, b, f=f, mode=mode: f(a, b, mode), x, y)
        for f in (np.convolve, np.correlate)
        for mode in ("full", "same", "valid")
        for x, y in ((V, W), (W, V), (V, V), (V[:1], W))
    ),
    case(np.linalg.matmul, lambda a, b: np.linalg.matmul(a, b), T, N),
    case(np.linalg.vecdot, lambda a, b: np.linalg.vecdot(a, b), M, V),
    case(np.linalg.solve, lambda a, b: np.linalg.solve(a, b), Q, W),
    case(np.linalg.solve, lambda a, b: np.linalg.solve(a, b), Q, M),
    case(np.linalg.solve, lambda a, b: np.linalg.solve(a, b), QS, STACK[:, :3]),
    case(np.linalg.solve, lambda a, b: np.linalg.solve(a, b), QS, M),
    case(np.linalg.solve, lambda a, b: np.linalg.solve(a, b), QS, W),
    case(np.linalg.inv, lambda a: np.linalg.inv(a), QS),
    case(np.linalg.inv, lambda a: np.linalg.inv(a), np.array([[2.0]])),
    case(np.linalg.det, lambda a: np.linalg.det(a), QS),
    case(np.linalg.det, lambda a: np.linalg.det(a), np.array([[3.0]])),
    case(np.linalg.slogdet, lambda a: np.linalg.slogdet(a)[1], QS),
    case(np.linalg.slogdet, lambda a: np.linalg.slogdet(a).logabsdet, -Q),
    case(np.linalg.cholesky, lambda a: np.linalg.cholesky(a), SPDS),
    case(np.linalg.cholesky, lambda a: np.linalg.cholesky(a, upper=True), SPD),
    case(np.linalg.eigh, lambda a: np.linalg.eigh(a), SPDS),
    case(np.linalg.eigh, lambda a: np.linalg.eigh(a, UPLO="U").eigenvectors, SPD),
    case(np.linalg.eigvalsh, lambda a: np.linalg.eigvalsh(a), Q + Q.T),
    case(np.linalg.eigvalsh, lambda a: np.linalg.eigvalsh(a, "U"), SPDS),
    case(np.linalg.qr, lambda a: np.linalg.qr(a), TALL),
    case(np.linalg.qr, lambda a: np.linalg.qr(a), STACK),
    case(np.linalg.qr, lambda a: np.linalg.qr(a), WIDE),
    case(np.linalg.qr, lambda a: np.linalg.qr(a), Q),
    case(np.linalg.qr, lambda a: np.linalg.qr(a, mode="r"), TALL),
    case(np.linalg.svd, lambda a: np.linalg.svd(a, full_matrices=False), TALL),
    case(np.linalg.svd, lambda a: np.linalg.svd(a, full_matrices=False), WIDE),
    case(np.linalg.svd, lambda a: np.linalg.svd(a, full_matrices=False), STACK),
    case(np.linalg.svd, lambda a: np.linalg.svd(a), Q),
    case(np.linalg.svd, lambda a: np.linalg.svd(a, compute_uv=False), WIDE),
    case(np.linalg.svdvals, lambda a: np.linalg.svdvals(a), STACK),
    case(np.linalg.pinv, lambda a: np.linalg.pinv(a), TALL),
    case(np.linalg.pinv, lambda a: np.linalg.pinv(a), WIDE),
    case(np.linalg.pinv, lambda a: np.linalg.pinv(a), STACK),
    case(np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a, b)[0], TALL, V),
    case(np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a, b, rcond=None)[:2], TALL, N),
    case(np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a, b, rcond=-1)[1], TALL, V),
    case(np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a, b)[0], Q, W),
    case(np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a, b)[0], WIDE, V[:2]),
    case(np.linalg.lstsq, lambda a: np.linalg.lstsq(a, V)[3], TALL),
    case(np.linalg.lstsq, lambda b: np.linalg.lstsq(TALL, b)[0], V),
    case(np.polyfit, lambda x, y: np.polyfit(x, y, 2), V, V**3),
    case(np.polyfit, lambda x, y, w: np.polyfit(x, y, 1, w=w), V, V**3, V**2),
    case(np.polyfit, lambda y: np.polyfit(V, y, 1), N),
    *(
        case(np.linalg.matrix_power, lambda a, n=n: np.linalg.matrix_power(a, n), Q)
        for n in (-3, -1, 0, 1, 2, 5)
    ),
    case(np.linalg.cond, lambda a: np.linalg.cond(a), Q),
    case(
        np.linalg.tensorsolve,
        lambda a, b: np.linalg.tensorsolve(_blocks(a, 2, 3, 3, 2), b),
        Q,
        M[:2, :3],
    ),
    case(
        np.linalg.tensorsolve,
        lambda a, b: np.linalg.tensorsolve(np.moveaxis(_blocks(a, 2, 3, 3, 2), 2, 0), b, axes=(0,)),
        Q,
        M[:2, :3],
    ),
    case(np.linalg.tensorinv, lambda a: np.linalg.tensorinv(_blocks(a, 2, 3, 6), 2), Q),
    case(np.linalg.cond, lambda a: np.linalg.cond(a, -2), Q),
    case(np.linalg.cond, lambda a: np.linalg.cond(a, "fro"), QS),
    case(np.linalg.cond, lambda a: np.linalg.cond(a, 1), Q),
    case(np.linalg.matrix_power, lambda a: np.linalg.matrix_power(a, 3), QS),
    case(np.linalg.multi_dot, lambda a, b: np.linalg.multi_dot([a, b, a]), M, N),
    case(np.linalg.multi_dot, lambda a, b, c: np.linalg.multi_dot([a, b, c]), V, N, W),
    case(np.linalg.multi_dot, lambda a, b: np.linalg.multi_dot([a, b, a, b, a]), WIDE, WIDE.T),
    case(np.matmul, lambda a, b: a @ b, M, N),
    case(np.matmul, lambda a, b: a @ b, V, N),
    case(np.matmul, lambda a, b: a @ b, T, V),
    case(np.matmul, lambda a, b: np.matmul(a, b), M, np.swapaxes(T, 1, 2)),
    case(np.matmul, lambda a: np.arange(12.0).reshape(4, 3) @ a, M),
    case(np.matmul, lambda a: [1.0, 2.0, 3.0] @ a, M),
    case(np.matmul, lambda a: a @ np.ones((4, 0)), M),
    case(np.matmul, lambda a: a[:, :0] @ np.ones((0, 2)), M),
]


@pytest.mark.parametrize(("form", "args"), marked(CASES))
def test_value_and_derivative(form: Any, args: Any) -> None:
    check_case(form, args)


def test_determinant_of_a_singular_matrix() -> None:
    """Its derivative is the matrix of cofactors, which exists without an inverse."""
    gradient = cr.grad(np.linalg.det)(SINGULAR)
    cofactors = np.array(
        [
            [
                (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(SINGULAR, i, 0), j, 1))
                for j in range(3)
            ]
            for i in range(3)
        ]
    )
    np.testing.assert_allclose(gradient, cofactors, atol=1e-12)
    check(np.linalg.det, SINGULAR)
    compiled = cr.compile(cr.grad(np.linalg.det))
    compiled(Q)  # what is compiled where there is an inverse holds where there is none
    np.testing.assert_allclose(compiled(SINGULAR), cofactors, atol=1e-12)
    np.testing.assert_allclose(cr.grad(np.linalg.det)(np.zeros((3, 3))), 0.0, atol=0)
    assert cr.grad(np.linalg.det)(np.zeros((1, 1))) == 1.0


def test_determinant_of_a_large_matrix() -> None:
    """It is small beside the product of the rows, and there is an inverse nevertheless."""
    a = np.exp(-0.5 * np.subtract.outer(np.arange(40.0), np.arange(40.0)) ** 2) + 0.1 * np.eye(40)
    inverse = np.linalg.inv(a)
    value, moved = cr.jvp(np.linalg.det, (a,), (a,))
    np.testing.assert_allclose(moved, 40 * value)
    product = cr.hvp(np.linalg.det, (a,), (a,))
    np.testing.assert_allclose(product, 39 * value * inverse.T, rtol=1e-10, atol=0)


def test_hessian_of_a_determinant_of_a_zero_matrix() -> None:
    """det [[a, b], [c, d]] = a d − b c has constant second derivatives, at 0 too."""
    hessian = cr.hessian(np.linalg.det)(np.zeros((2, 2))).reshape(4, 4)
    np.testing.assert_array_equal(hessian, np.fliplr(np.diag([1.0, -1.0, -1.0, 1.0])))


@pytest.mark.filterwarnings("ignore:a tangent at equal")
def test_sum_of_all_eigenvalues_with_a_repeated_one() -> None:
    """Functions of whole eigenspaces have a derivative where eigenvalues are equal."""
    check(lambda a: np.linalg.eigh(a + a.T).eigenvalues.sum(), np.eye(3))
    np.testing.assert_allclose(
        cr.grad(lambda a: (np.linalg.eigvalsh(a) ** 2).sum())(np.eye(3)), 2 * np.eye(3)
    )


def polar(a: Any) -> Any:
    """The orthogonal matrix nearest to a (Procrustes' problem)."""
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return u @ vt


@pytest.mark.filterwarnings("ignore:a tangent at equal")
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_nearest_rotation_where_singular_values_are_equal(mode: str) -> None:
    """At 2 I the polar factor moves by the skew part of da, over 2."""
    jacobian = cr.jacobian(polar, mode=mode)(2 * np.eye(3))
    tangent = np.arange(9.0).reshape(3, 3) ** 2
    moved = np.einsum("ijkl,kl->ij", jacobian, tangent)
    np.testing.assert_allclose(moved, (tangent - tangent.T) / 4, atol=1e-13)
    check(polar, TALL)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_projector_on_an_eigenspace_with_equal_eigenvalues(mode: str) -> None:
    """Along da: P da R + R da P, with R = Σ v vᵀ/(2 − w) over the other space."""

    def projector(a: Any) -> Any:
        v = np.linalg.eigh((a + a.T) / 2).eigenvectors[:, 1:]
        return v @ v.T

    a, tangent = np.diag([1.0, 2.0, 2.0]), np.arange(9.0).reshape(3, 3)
    if mode == "forward":  # it cannot know what the vectors are for
        with pytest.warns(cr.errors.KinkWarning, match="depends on the whole space"):
            jacobian = cr.jacobian(projector, mode=mode)(a)
    else:
        jacobian = cr.jacobian(projector, mode=mode)(a)
    even = (tangent + tangent.T) / 2
    p, r = np.diag([0.0, 1.0, 1.0]), np.diag([1.0, 0.0, 0.0])
    truth = p @ even @ r + r @ even @ p
    np.testing.assert_allclose(np.einsum("ijkl,kl->ij", jacobian, tangent), truth, atol=1e-13)


def root(a: Any) -> Any:
    w, v = np.linalg.eigh(a)
    return (v * np.sqrt(w)) @ v.T


def test_a_matrix_function_at_equal_eigenvalues_is_no_number() -> None:
    """The derivative of √A at I is half of dA; w and v alone do not tell it, so nothing is said."""
    assert np.isnan(cr.grad(lambda a: root(a).sum())(np.eye(2))).any()
    found = cr.debug(lambda a: root(a).sum())(np.eye(2))
    assert "two eigenvalues (or singular values) are equal" in str(found)
    with pytest.warns(cr.errors.KinkWarning, match="nor for v f"):
        cr.jvp(root, (np.eye(2),), (np.ones((2, 2)),))
    check(root, np.diag([1.0, 2.0, 4.0]))


def test_factors_are_examined() -> None:
    for f in (root, polar, lambda a: np.linalg.qr(a)[1], lambda a: np.linalg.slogdet(a)[1]):
        found = cr.examine(lambda a, f=f: np.sum(f(a) * WEIGHTS))(np.diag([1.0, 2.0, 4.0]))
        assert not found.findings


def test_pinv_of_a_matrix_of_lower_rank() -> None:
    """Where the rank stays the same along the path the derivative is that of the formula."""
    u, v = np.array([1.0, -2.0, 0.5]), np.array([0.3, 1.0])
    check(lambda u, v: np.linalg.pinv(np.outer(u, v)), u, v)


@pytest.mark.parametrize("option", ["rcond", "rtol"])
def test_a_cutoff_for_pinv_is_refused(option: str) -> None:
    """It would set the second singular value to 0, of which the rule knows nothing."""
    with pytest.raises(
        cr.errors.ArgumentError,
        match=rf"pinv of a traced value does not take {option}=0.01(?s:.*)choose the number k",
    ):
        cr.grad(lambda a: np.linalg.pinv(a, **{option: 1e-2}).sum())(np.diag([1.0, 1e-3]))
    np.testing.assert_allclose(
        cr.grad(lambda a: np.linalg.pinv(a, **{option: None}).sum())(2 * np.eye(2)),
        -np.ones((2, 2)) / 4,
    )


def test_hermitian_reads_the_lower_triangle() -> None:
    """Like NumPy's: the other triangle may hold anything, and has no derivative."""
    s = np.array([[3.0, 99.0], [1.0, 2.0]])
    for f in (
        lambda a: np.linalg.svd(a, compute_uv=False, hermitian=True),
        lambda a: np.linalg.pinv(a, hermitian=True),
    ):
        np.testing.assert_allclose(cr.vjp(f, s)[0], f(s), rtol=1e-14)
        check(f, s)
    assert cr.grad(lambda a: np.linalg.pinv(a, hermitian=True).sum())(s)[0, 1] == 0.0


def test_singular_systems_are_numpys_error_with_the_line() -> None:
    with pytest.raises(np.linalg.LinAlgError, match=r"Singular matrix[^$]*test_algebra.py"):
        cr.grad(lambda a: np.linalg.inv(a).sum())(np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        cr.grad(lambda a: np.linalg.cholesky(a).sum())(-np.eye(2))


def test_full_svd_of_a_rectangular_matrix_is_refused() -> None:
    with pytest.raises(cr.errors.ShapeError, match="full_matrices=False"):
        cr.grad(lambda a: np.linalg.svd(a)[0].sum())(TALL)


def test_derivatives_that_need_an_inverse_say_where() -> None:
    """Values that exist where their derivatives do not."""
    singular = np.ones((2, 2))
    for f in (lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.qr(a)[1].sum()):
        for derivative in (cr.grad(f), cr.hessian(f), lambda a, f=f: cr.jvp(f, (a,), (a,))):
            with pytest.raises(
                np.linalg.LinAlgError,
                match=r"the derivative of (slogdet|qr): .*Singular matrix\n  at: .*test_algebra.py",
            ):
                derivative(singular)


def test_least_squares_of_lower_rank() -> None:
    found = []

    def f(b: Any) -> Any:
        found[:] = np.linalg.lstsq(np.ones((4, 2)), b)
        return found[0]

    check(f, V)
    assert found[2] == 1


def test_complete_qr_is_refused() -> None:
    with pytest.raises(ValueError, match="mode='reduced'"):
        cr.grad(lambda a: np.linalg.qr(a, mode="complete")[0].sum())(TALL)


def test_cross_product_of_vectors_of_two_is_refused() -> None:
    with pytest.raises(cr.errors.ShapeError, match="append a zero"):
        cr.grad(lambda a: np.cross(a, a[::-1]).sum())(V[:2])


def test_contraction_of_different_lengths_names_the_line() -> None:
    with pytest.raises(cr.errors.ShapeError, match=r"test_algebra.py"):
        cr.grad(lambda a: np.tensordot(a, a, 1).sum())(M)
    with pytest.raises(cr.errors.ShapeError, match="matmul"):
        cr.grad(lambda a: (a @ a).sum())(M)


@pytest.mark.parametrize("shape", [(6, 4), (4, 4), (3, 5)])
def test_lstsq_against_high_precision(shape: tuple[int, int]) -> None:
    """dx = A⁺(db − dA x) + (AᵀA)⁻¹ dAᵀ(b − A x) for more rows; Aᵀ(AAᵀ)⁻¹b with 50 digits else."""
    rng = np.random.default_rng(2)
    m, n = shape
    a = 1.0 / (np.arange(m)[:, None] + np.arange(n) + 1.0)  # of condition 10³ to 10⁴
    da, b, db = rng.standard_normal(shape), rng.standard_normal(m), rng.standard_normal(m)
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -25

        def solution(t: Any) -> Any:
            matrix = mpmath.matrix(a.tolist()) + t * mpmath.matrix(da.tolist())
            right = mpmath.matrix(b.tolist()) + t * mpmath.matrix(db.tolist())
            turned = matrix.T
            if m >= n:
                return mpmath.lu_solve(turned * matrix, turned * right)
            return turned * mpmath.lu_solve(matrix * turned, right)

        truth = [float(v) for v in (solution(h) - solution(-h)) / (2 * h)]
    x, dx = cr.jvp(lambda a, b: np.linalg.lstsq(a, b)[0], (a, b), (da, db))
    np.testing.assert_allclose(x, np.linalg.lstsq(a, b)[0], rtol=1e-9)
    np.testing.assert_allclose(dx, truth, rtol=1e-7)
    g = rng.standard_normal(n)
    _, pull = cr.vjp(lambda a, b: np.linalg.lstsq(a, b)[0], a, b)
    ga, gb = pull(g)
    assert (ga * da).sum() + gb @ db == pytest.approx(g @ dx, rel=1e-7)


def test_lstsq_gives_what_numpy_gives() -> None:
    for a, b in ((TALL, V), (TALL, N), (Q, W), (WIDE, V[:2]), (TALL, V[:, None])):
        expected, got = np.linalg.lstsq(a, b), traced_result(np.linalg.lstsq, a, b)
        for x, y in zip(got, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
            assert np.shape(x) == np.shape(y)


def test_least_squares_of_lower_rank_are_refused() -> None:
    with pytest.raises(cr.errors.ArgumentError, match=r"shape \(4, 3\) and rank 2(?s:.*)pinv"):
        cr.grad(lambda a: np.linalg.lstsq(a, V)[0].sum())(TALL[:, [0, 1, 1]])
    with pytest.raises(cr.errors.ArgumentError, match="rank 2"):
        cr.grad(lambda a: np.linalg.lstsq(a, V, rcond=0.5)[0].sum())(
            np.diag([3.0, 2.0, 1.0, 0.0])[:, :3]
        )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: np.polyfit(x, V, 1, full=True)[0], "full=True"),
        (lambda x: np.polyfit(V, x, [0, 2]), "one degree"),
        (lambda x: np.histogram(x, 3)[0], "derivative by its weights"),
        (lambda x: np.histogram(x, 3, weights=x)[0], "derivative by its weights"),
    ],
)
def test_fits_and_bins_say_what_they_cannot(call: Any, says: str) -> None:
    with pytest.raises(cr.errors.ArgumentError, match=says) as info:
        cr.grad(lambda x: call(x).sum())(V)
    assert "test_algebra.py" in str(info.value)


def test_counts_are_plain_numbers() -> None:
    def f(x: Any) -> Any:
        counts = np.bincount(np.searchsorted([0.0], x), minlength=3)
        assert isinstance(counts, np.ndarray)
        assert counts.sum() == len(V)
        return x.sum()

    cr.grad(f)(V)
    with pytest.raises(cr.errors.BranchError, match="bincount"):
        cr.compile(lambda k: np.bincount(k))(np.array([1, 0, 1]))
