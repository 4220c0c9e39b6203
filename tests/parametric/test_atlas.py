"""The atlas: what other hours know gives the same regions as enumeration, and is kept in files."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.parametric import Atlas, CondensedQp, enumerate_regions
from pyomo_dlmp.parametric.condensed import Shape, screen
from tests.models import consumer, day_market

EMPTY = np.empty(0, int)


def random_part(number, hour) -> CondensedQp:
    """A small part: soft limits, bounds, ties and repeated rows; an hour of a family."""
    family = np.random.default_rng(number)
    n, m, limits = (int(family.integers(1, k)) for k in (4, 3, 4))
    curved = family.integers(0, 3, n) * family.random(n)
    A = np.vstack([np.eye(n), -np.eye(n), np.round(family.normal(size=(limits, n)), 1)])
    T = np.vstack([np.zeros((2 * n, m)), np.round(family.normal(size=(limits, m)), 1)])
    if family.random() < 0.3:  # a row that is there twice
        A, T = np.vstack([A, A[-1]]), np.vstack([T, T[-1]])
    balanced = int(n == 3)  # within reach of its bounds wherever u is
    C, F = np.ones((balanced, n)), -np.ones((balanced, m))
    rows = len(A)
    s = np.concatenate([np.full(2 * n, 2.0), hour.integers(0, 3, rows - 2 * n) / 2.0])
    cap = np.full(rows, np.inf)
    cap[2 * n:] = hour.choice([5.0, 20.0], rows - 2 * n)
    E, p = np.zeros((n, m)), np.zeros
    part = CondensedQp(
        lower=0, rows=EMPTY, w=np.arange(n), u=np.arange(m), paid=EMPTY, H=np.diag(curved),
        g=np.round(hour.normal(size=n) * 4), E=E, R=p((m, m)), r=p(m), pair=np.arange(rows), A=A,
        T=T, s=s, cap=cap, C=C, F=F, f=np.full(len(C), 0.3), wanted=EMPTY, Xw=p((0, n)),
        Xp=p((0, m)), x0=p(0), gone={}, rest=EMPTY, soft_pair=EMPTY, soft_column=EMPTY,
        soft_coef=p(0), lo=p(m), hi=hour.choice([1.0, 2.0], m), plain=False,
        place=np.arange(rows), always=EMPTY, shape=Shape(repr(A.shape + T.shape).encode().ljust(
            32), b"e".ljust(32), rows, "random"))
    return screen(part, np.full(n, -2.0), np.full(n, 2.0))


def same(one, other) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def check_same(found, right) -> None:
    """The same states with the same polytopes and solutions, in the same order."""
    assert len(found.regions) == len(right.regions)
    assert found.covered == pytest.approx(right.covered, abs=1e-9)
    for one, other in zip(found.regions, right.regions, strict=True):
        assert (one.affine.state == other.affine.state).all()
        for name in ("W", "w0", "U", "u0", "Y", "y0"):
            same(getattr(one.affine, name), getattr(other.affine, name))
        same(one.polytope.A, other.polytope.A)
        same(one.polytope.b, other.polytope.b)


def test_regions_of_500_random_parts_are_those_of_enumeration():
    """Families of ten hours each, in an atlas that has seen the others."""
    atlas = Atlas()
    for family in range(50):
        hour = np.random.default_rng(1000 + family)
        for _ in range(10):
            part = random_part(family, hour)
            check_same(atlas.regions(part, 500, Effort()), enumerate_regions(part))
    assert atlas.counts["known"] > 100 and atlas.counts["enumerated"] > 100


@pytest.mark.parametrize("make", [consumer, day_market])
def test_a_file_knows_what_the_atlas_knew(make, tmp_path):
    first = Atlas()
    right = dlmp.solve_bilevel(make(), atlas=first).objective
    first.save(tmp_path / "a.npz")
    loaded = Atlas.load(tmp_path / "a.npz")
    assert loaded.states == first.states
    assert dlmp.solve_bilevel(make(), atlas=loaded).objective == right
    assert not loaded.counts["enumerated"] and loaded.counts["known"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_file_of_another_model_is_refused_by_name(tmp_path):
    atlas = Atlas()
    dlmp.solve_bilevel(consumer(), atlas=atlas)
    atlas.save(tmp_path / "a.npz")
    with pytest.raises(dlmp.ModelError, match=r"low over d; this is .* of dso over") as said:
        dlmp.solve_bilevel(day_market(), atlas=Atlas.load(tmp_path / "a.npz"))
    assert "a.npz" in str(said.value) and "unknown" not in str(said.value)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "other", "none"])
def test_a_damaged_file_is_refused_by_name(damage, tmp_path):
    path = tmp_path / "a.npz"
    atlas = Atlas()
    dlmp.solve_bilevel(consumer(), atlas=atlas)
    atlas.save(path)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data[:300] + bytes([data[300] ^ 255]) + data[301:])
    elif damage == "text":
        path.write_text("no atlas")
    elif damage == "other":
        np.savez(path, kind=np.array("x"))
    else:
        path.unlink()
    with pytest.raises(dlmp.ModelError, match=r"a\.npz.*(damaged|not there)"):
        Atlas.load(path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(dlmp.ModelError, match="cannot be written"):
        Atlas().save(tmp_path / "no" / "a.npz")


def test_workers_are_merged():
    atlas, one, other = Atlas(), Atlas(), Atlas()
    dlmp.solve_bilevel(day_market(price=(30.0, 50.0, 80.0)), atlas=one)
    dlmp.solve_bilevel(day_market(price=(45.0, 20.0, 60.0)), atlas=other)
    atlas.update(one)
    atlas.update(other)
    atlas.update(one)
    assert max(one.states, other.states) <= atlas.states <= one.states + other.states
    dlmp.solve_bilevel(day_market(price=(30.0, 20.0, 60.0)), atlas=atlas)
    assert not atlas.counts["enumerated"]
