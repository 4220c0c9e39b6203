"""Errors carry what, where, cure and a stable code; public names lead to one place."""

import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp import errors

CLASSES = [cls for cls in vars(errors).values()
           if isinstance(cls, type) and issubclass(cls, dlmp.DlmpError)]


def test_codes_are_those_of_the_docs():
    page = (Path(__file__).parents[1] / "docs" / "conventions.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `(DLMP\d+)` \| `(\w+)` \|", page, re.M))
    assert stated == {cls.code: cls.__name__ for cls in CLASSES}


def test_every_code_has_its_row_in_troubleshooting():
    page = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(DLMP\d+)` \|", page, re.M) == sorted(cls.code for cls in CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_survive_pickling(cls):
    error = cls.at("row 'a'", "is wrong", "Correct it.")
    if cls is dlmp.AuditError:
        error.result = "the result"
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.faults) == (cls, "row 'a': is wrong. Correct it.",
                                                    error.faults)
    assert getattr(back, "result", None) == getattr(error, "result", None)


def test_every_top_level_name_is_there_and_few():
    assert len(dlmp.__all__) <= 52
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in dlmp.__all__:
            assert getattr(dlmp, name) is not None
    assert set(dlmp.__all__) <= set(dir(dlmp))


@pytest.mark.parametrize("name", sorted(set(dlmp._MOVED) - {"CorrectedOpf"}))
def test_names_of_the_last_release_still_lead_there(name):
    with pytest.warns(DeprecationWarning, match=rf"pyomo_dlmp\.{name} is now pyomo_dlmp\."):
        assert getattr(dlmp, name) is not None


def test_what_is_no_more_names_its_successor():
    with (pytest.raises(AttributeError, match=r"dlmp\.solve_ac_opf gives"),
          pytest.warns(DeprecationWarning)):
        dlmp.CorrectedOpf  # noqa: B018


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"no attribute 'Bux'. Did you mean 'Bus'"):
        dlmp.Bux  # noqa: B018
    with pytest.raises(AttributeError, match=r"See pyomo_dlmp.results.prices_table"):
        dlmp.prices_table  # noqa: B018
    with pytest.raises(AttributeError, match=r"TransformationFactory\('dlmp.kkt'\)"):
        dlmp.kkt  # noqa: B018


def test_importing_the_package_loads_neither_scipy_nor_matplotlib_nor_the_engine():
    code = ("import sys, pyomo_dlmp; "
            "print([m for m in ('scipy', 'pandas', 'matplotlib', 'networkx', 'dss') "
            "if m in sys.modules])")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_transformations_are_known_without_loading_them():
    code = ("import sys, pyomo.environ as pyo, pyomo_dlmp; "
            "print('pyomo_dlmp.transform' in sys.modules, "
            "type(pyo.TransformationFactory('dlmp.kkt')).__name__)")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "KktTransformation"]


def test_the_linear_form_and_the_bilevel_layer_need_no_opendss():
    code = ("import sys\n"
            "class Nothing:\n"
            "    def find_spec(self, name, *_):\n"
            "        if name.split('.')[0] in ('dss', 'dss_python'):\n"
            "            raise ImportError(name)\n"
            "sys.meta_path.insert(0, Nothing())\n"
            "import pyomo_dlmp as dlmp\n"
            "net = dlmp.load_feeder('ieee13')\n"
            "m = dlmp.build_opf(net)\n"
            "dlmp.solve_opf(m)\n"
            "try:\n"
            "    dlmp.ac_power_flow(net, m)\n"
            "except dlmp.errors.OpenDssError as err:\n"
            "    print('dss-python' in str(err))\n")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "True", found.stderr


def test_older_arguments_are_taken_with_a_warning():
    net = dlmp.load_feeder("ieee13")
    with pytest.warns(DeprecationWarning, match="`net` of build_opf is now called `network`"):
        m = dlmp.build_opf(net=net)
    assert len(m.bus) == len(net.buses)
    with pytest.warns(DeprecationWarning, match=r"`net` of Market.__init__ is now"):
        market = dlmp.Market(net=net, workload=1.0, opf={})
    with pytest.warns(DeprecationWarning, match=r"Market\.net is now"):
        assert market.net is net


def test_the_older_room_of_pictures():
    from pyomo_dlmp import plotting, report

    with pytest.warns(DeprecationWarning, match=r"pyomo_dlmp\.plotting is now"):
        assert plotting.price_map is report.price_map


@pytest.mark.parametrize("register", [
    dlmp.extend.register_mode, dlmp.extend.register_strategy, dlmp.extend.register_solver,
    dlmp.extend.register_market])
@pytest.mark.parametrize("given", [3, "mine", dlmp.Bus])
def test_what_cannot_be_a_row_of_a_table(register, given):
    with pytest.raises(dlmp.ModelError, match=f"{register.__name__}.*was given"):
        register(given)


def test_a_candidate_that_no_probe_tries():
    from pyomo_dlmp.solvers import SolverInterface

    with pytest.raises(dlmp.SolverError, match=r"has the candidate 'mlip'. Did you mean .*'milp'"):
        dlmp.extend.register_solver(SolverInterface("mine", "appsi_highs", ("mlip",)))


def test_an_error_in_a_rule_is_said_once_and_others_as_ever(caplog):
    def ours(block):
        raise dlmp.ModelError.at("a row", "is wrong")

    def others(block):
        raise ValueError("of the user")

    m = pyo.ConcreteModel()
    with pytest.raises(dlmp.ModelError, match="a row: is wrong"):
        m.a = pyo.Block(rule=ours)
    assert not caplog.records
    with pytest.raises(ValueError, match="of the user"):
        m.b = pyo.Block(rule=others)
    assert "Constructing component 'b'" in caplog.text
