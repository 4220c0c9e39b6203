"""pyomo_dlmp: bilevel models of distribution locational marginal prices, as a Pyomo extension.

Importing the package registers the transformations ``dlmp.single_level``, ``dlmp.kkt``,
``dlmp.mccormick`` and ``dlmp.binary_expansion`` with Pyomo. Model units: MW, Mvar, per-unit squared
voltage, $, $/MWh.

What most models need stands here; the rest is found by its room: ``dlmp.blocks`` (compose a feeder
by hand), ``dlmp.workload`` (jobs, servers, batteries of datacenters), ``dlmp.results`` (tables),
``dlmp.records`` (save, read back, compare), ``dlmp.report`` (pictures), ``dlmp.validation`` (AC
power flow), ``dlmp.errors``, ``dlmp.extend`` (devices, modes, solvers, strategies and markets of
your own), ``dlmp.testing``.
"""

from __future__ import annotations

import logging
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import warn

from pyomo.common.dependencies import DeferredImportCallbackFinder
from pyomo.core import TransformationFactory

from pyomo_dlmp.errors import DlmpError

if TYPE_CHECKING:
    from pyomo_dlmp.ac_opf import solve_ac_opf
    from pyomo_dlmp.auditing import audit
    from pyomo_dlmp.bilevel import LowerLevel
    from pyomo_dlmp.connection import connection_study, price_impact
    from pyomo_dlmp.errors import AuditError, BoundError, ModelError, SolverError
    from pyomo_dlmp.io import (
        list_feeders,
        load_feeder,
        read_opendss,
        read_tables,
        write_opendss,
        write_tables,
    )
    from pyomo_dlmp.market import AggregatorBlock, Market, Workload, solve_market
    from pyomo_dlmp.network import (
        Bus,
        Capacitor,
        CenterTappedTransformer,
        Datacenter,
        Generator,
        Line,
        LineCode,
        Load,
        Network,
        NodalAdmittance,
        Profile,
        Regulator,
        StaticVarGenerator,
        Storage,
        Substation,
        Transformer,
    )
    from pyomo_dlmp.opf import Unbalance, build_opf
    from pyomo_dlmp.parametric import Atlas
    from pyomo_dlmp.power_flow import ac_power_flow
    from pyomo_dlmp.search import load_checkpoint
    from pyomo_dlmp.series import solve_series
    from pyomo_dlmp.solve import solve_bilevel, solve_opf, why_infeasible
    from pyomo_dlmp.solvers import solver_table
    from pyomo_dlmp.transform import bounds_table, tighten
    from pyomo_dlmp.uncertainty import Scenarios, solve_stochastic
    from pyomo_dlmp.validation import validate_feeder

__version__ = "0.1.0"

# Pyomo has it that whoever imports scipy or matplotlib gets all of scipy.stats or pyplot, too (.8 s
# of CPU). Nothing here needs them; where Pyomo uses one itself, it still finds and loads it.
for _library in ("scipy", "matplotlib"):
    getattr(DeferredImportCallbackFinder, "_callbacks", {}).pop(_library, None)


def _not_ours(record: logging.LogRecord) -> bool:
    """Pyomo logs the error of a rule and raises it again; ours is said once, by itself."""
    return not (record.levelno == logging.ERROR and "Constructing component" in str(record.msg)
                and isinstance(sys.exc_info()[1], DlmpError))


logging.getLogger("pyomo.core").addFilter(_not_ours)

__all__ = [
    "AggregatorBlock",
    "Atlas",
    "AuditError",
    "BoundError",
    "Bus",
    "Capacitor",
    "CenterTappedTransformer",
    "Datacenter",
    "DlmpError",
    "Generator",
    "Line",
    "LineCode",
    "Load",
    "LowerLevel",
    "Market",
    "ModelError",
    "Network",
    "NodalAdmittance",
    "Profile",
    "Regulator",
    "Scenarios",
    "SolverError",
    "StaticVarGenerator",
    "Storage",
    "Substation",
    "Transformer",
    "Unbalance",
    "Workload",
    "ac_power_flow",
    "audit",
    "bounds_table",
    "build_opf",
    "connection_study",
    "list_feeders",
    "load_checkpoint",
    "load_feeder",
    "price_impact",
    "read_opendss",
    "read_tables",
    "solve_ac_opf",
    "solve_bilevel",
    "solve_market",
    "solve_opf",
    "solve_series",
    "solve_stochastic",
    "solver_table",
    "tighten",
    "validate_feeder",
    "why_infeasible",
    "write_opendss",
    "write_tables",
]

# Pyomo alone takes half a second to import, scipy with it two: a room is loaded when one of its
# names is first asked for. Room of each name of __all__:
_ROOM = {
    **dict.fromkeys(("audit",), "auditing"),
    **dict.fromkeys(("LowerLevel",), "bilevel"),
    **dict.fromkeys(("connection_study", "price_impact"), "connection"),
    **dict.fromkeys(("AuditError", "BoundError", "DlmpError", "ModelError", "SolverError"),
                    "errors"),
    **dict.fromkeys(("list_feeders", "load_feeder", "read_opendss", "read_tables",
                     "write_opendss", "write_tables"), "io"),
    **dict.fromkeys(("AggregatorBlock", "Market", "Workload", "solve_market"), "market"),
    **dict.fromkeys(("Bus", "Capacitor", "CenterTappedTransformer", "Datacenter", "Generator",
                     "Line", "LineCode", "Load", "Network", "NodalAdmittance", "Profile",
                     "Regulator", "StaticVarGenerator", "Storage", "Substation",
                     "Transformer"), "network"),
    **dict.fromkeys(("Unbalance", "build_opf"), "opf"),
    **dict.fromkeys(("Atlas",), "parametric"),
    **dict.fromkeys(("load_checkpoint",), "search"),
    **dict.fromkeys(("solve_series",), "series"),
    **dict.fromkeys(("solve_bilevel", "solve_opf", "why_infeasible"), "solve"),
    **dict.fromkeys(("solver_table",), "solvers"),
    **dict.fromkeys(("bounds_table", "tighten"), "transform"),
    **dict.fromkeys(("ac_power_flow",), "power_flow"),
    **dict.fromkeys(("solve_ac_opf",), "ac_opf"),
    **dict.fromkeys(("Scenarios", "solve_stochastic"), "uncertainty"),
    **dict.fromkeys(("validate_feeder",), "validation"),
}
_NAMESPACES = {
    name: name for name in ("ac_opf", "auditing", "bilevel", "blocks", "connection", "errors",
                            "extend", "io", "market", "network", "opf", "parametric",
                            "power_flow", "records", "report", "results", "search", "series",
                            "solve", "solvers", "study", "testing", "transform", "uncertainty",
                            "validation")
} | {"workload": "market.workload"}

# Names of the last release that have moved, or changed: they stay for one more.
_MOVED = {
    **{f"{kind}Block": f"blocks.{kind}Block" for kind in (
        "Bus", "Capacitor", "Datacenter", "Generator", "Line", "Load", "Regulator", "Storage",
        "Substation", "Svg", "Transformer")},
    **{name: f"workload.{name}" for name in ("Interactive", "Job", "Servers", "Ups")},
    **{name: f"errors.{name}" for name in (
        "Fault", "FeederFileError", "NetworkError", "OpenDssError")},
    **{name: f"validation.{name}" for name in (
        "AcPowerFlow", "AcReport", "CorrectedOpf", "ac_report", "solve_corrected_opf")},
    "Audit": "auditing.Audit", "BilevelResult": "auditing.BilevelResult",
    "Frame": "blocks.Horizon", "OperatingPoint": "network.OperatingPoint", "Reuse": "Atlas",
    "SolveCache": "Atlas",
    "Tightened": "transform.ProvedBounds", "fit": "opf.fit_to_operating_point",
    "lower_levels": "bilevel.lower_levels",
}


def __getattr__(name: str) -> Any:
    if name in _ROOM:
        return getattr(import_module(f"{__name__}.{_ROOM[name]}"), name)
    if name in _NAMESPACES:
        return import_module(f"{__name__}.{_NAMESPACES[name]}")
    if name in _MOVED:
        warn(f"pyomo_dlmp.{name} is now pyomo_dlmp.{_MOVED[name]}", DeprecationWarning,
             stacklevel=2)
        room, _, attribute = _MOVED[name].rpartition(".")
        found = __getattr__(room) if room else __getattr__(attribute)
        return getattr(found, attribute) if room else found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_instead(name)}")


def _instead(name: str) -> str:
    """Where else a name may be: a room's, a transformation of Pyomo, or one nearly the same."""
    if name.startswith("_"):  # Python and its tools ask for many of these
        return ""
    if f"dlmp.{name}" in _TRANSFORMATIONS:
        return f". It is a transformation: pyo.TransformationFactory('dlmp.{name}')"
    for room in ("results", "records", "blocks", "workload", "validation", "report", "errors",
                 "network"):
        if name in getattr(import_module(f"{__name__}.{_NAMESPACES[room]}"), "__all__", ()):
            return f". See pyomo_dlmp.{room}.{name}"
    close = get_close_matches(name, [*__all__, *_NAMESPACES], n=1)
    return f". Did you mean {close[0]!r}?" if close else ""


def __dir__() -> list[str]:
    return sorted({*__all__, *_NAMESPACES, "__version__", "__doc__", "__path__"})


_TRANSFORMATIONS: set[str] = set()


def _register(name: str, doc: str, room: str, cls: str) -> None:
    """Make a transformation known to Pyomo without loading it; its own file registers it, too."""
    TransformationFactory.register(name, doc)(
        lambda **options: getattr(import_module(f"{__name__}.{room}"), cls)(**options))


for _name, _doc, _room, _class in (
        ("dlmp.single_level", "Bilevel model with LowerLevel blocks to a single-level MIQP or MILP",
         "transform.single_level", "SingleLevelTransformation"),
        ("dlmp.kkt", "KKT conditions of LowerLevel blocks, pairs as Pyomo Complementarity",
         "transform.single_level", "KktTransformation"),
        ("dlmp.mccormick", "McCormick envelopes of bilinear products",
         "transform.products.linearise", "McCormick"),
        ("dlmp.binary_expansion", "Binary expansion of one factor of each bilinear product",
         "transform.products.linearise", "BinaryExpansion")):
    _register(_name, _doc, _room, _class)
    _TRANSFORMATIONS.add(_name)
