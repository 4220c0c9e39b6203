"""Damaged feeder tables: a clear error, or a network that writes and reads back the same."""

import random
import shutil

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.io import read_tables, write_tables
from pyomo_dlmp.io.feeders import _folders
from tests.io.mutations import mutate


@pytest.mark.parametrize("name", ["ieee4_oyod_unbal", "ieee13", "ieee34", "ieee37"])
def test_damaged_tables(tmp_path, name):
    source = _folders()[name]
    read = refused = 0
    for seed in range(130):
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        path = random.Random(seed).choice(sorted(folder.iterdir()))
        path.write_text(mutate(path.read_text(), seed), errors="replace")
        try:
            net = read_tables(folder)
        except dlmp.DlmpError as error:
            refused += 1
            assert error.faults and all(f.where and f.what for f in error.faults)
            continue
        read += 1
        assert read_tables(write_tables(net, tmp_path / "written")) == net, f"seed {seed}"
    assert read > 5 and refused > 20
