"""pyomo_dlmp: bilevel models of distribution locational marginal prices, as a Pyomo extension.

Importing the package registers the transformations ``dlmp.single_level``, ``dlmp.kkt``,
``dlmp.mccormick`` and ``dlmp.binary_expansion`` with Pyomo. Model units: MW, Mvar, per-unit squared
voltage, $, $/MWh.
"""

from pyomo_dlmp.bilevel import LowerLevel, lower_levels
from pyomo_dlmp.blocks import (
    BusBlock,
    DatacenterBlock,
    Frame,
    GeneratorBlock,
    LineBlock,
    LoadBlock,
    RegulatorBlock,
    SubstationBlock,
    SvgBlock,
    TransformerBlock,
)
from pyomo_dlmp.errors import (
    AuditError,
    BoundError,
    DlmpError,
    Fault,
    FeederFileError,
    ModelError,
    NetworkError,
    SolverError,
)
from pyomo_dlmp.io import list_feeders, load_feeder, read_tables, write_tables
from pyomo_dlmp.market import AggregatorBlock
from pyomo_dlmp.network import (
    Bus,
    Datacenter,
    Generator,
    Line,
    LineCode,
    Load,
    Network,
    Regulator,
    StaticVarGenerator,
    Substation,
    Transformer,
)
from pyomo_dlmp.opf import build_opf
from pyomo_dlmp.solve import (
    Audit,
    BilevelResult,
    audit,
    solve_bilevel,
    solve_opf,
    solver_table,
    why_infeasible,
)
from pyomo_dlmp.transform import bounds_table

__version__ = "0.1.0"

__all__ = [
    "AggregatorBlock",
    "Audit", "AuditError", "BilevelResult", "BoundError", "Bus", "BusBlock", "Datacenter",
    "DatacenterBlock", "DlmpError", "Fault", "FeederFileError", "Frame", "Generator",
    "GeneratorBlock", "Line", "LineBlock", "LineCode", "Load", "LoadBlock", "LowerLevel",
    "ModelError", "Network", "NetworkError", "Regulator", "RegulatorBlock", "SolverError",
    "StaticVarGenerator", "Substation", "SubstationBlock", "SvgBlock", "Transformer",
    "TransformerBlock", "audit", "bounds_table", "build_opf", "list_feeders", "load_feeder",
    "lower_levels", "read_tables", "solve_bilevel", "solve_opf", "solver_table",
    "why_infeasible", "write_tables",
]
