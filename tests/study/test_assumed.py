"""What does not change over the hours is said, once, with the way to change it."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.study.assumed import assumed_constant
from tests.study.tiny import TEXT, said, solve, write_tiny


def study_of(tmp_path, text=TEXT):
    return dlmp.study.read_study(write_tiny(tmp_path, text))


def test_flat_loads_are_said_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", lambda *_, **__: None)
    assert solve(tmp_path) == 0
    assert said(capsys).count("The loads draw the same in all 2 periods (load_scale = 1)") == 1


@pytest.mark.parametrize("old, new", [
    ("price = [30, 60]", "price = [30, 60]\nload_scale = [1.0, 0.5]"),
    ("periods = 2\n[dso]\nprice = [30, 60]", "periods = 1\n[dso]\nprice = 30")])
def test_hours_of_their_own_are_not(tmp_path, old, new):
    study = study_of(tmp_path, TEXT.replace(old, new))
    assert not assumed_constant(study, study.base)


def test_a_generator_with_a_profile_follows_it_where_profiles_are_followed(tmp_path):
    sun = dlmp.Profile(name="sun", minutes=60.0, values=(0.0, 1.0))
    for text, count in ((TEXT, 2), (TEXT.replace("60]", '60]\nload_scale = "profiles"'), 1)):
        study = study_of(tmp_path, text)
        network = dlmp.Network("n", [*study.base.elements, *(
            dlmp.Generator(name=name, bus="end", kw_max=10.0, cost=cost, profile=profile)
            for name, cost, profile in (("pv", 0.0, "sun"), ("old", 0.0, None),
                                        ("diesel", 90.0, None)))], profiles=[sun])
        notes = assumed_constant(study, network)
        assert len(notes) == count
        assert ("'pv'" in notes[-1]) == (count == 2)
        assert "'old'" in notes[-1] and "diesel" not in notes[-1]
