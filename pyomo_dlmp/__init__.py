"""pyomo_dlmp: bilevel models of distribution locational marginal prices, as a Pyomo extension.

Importing the package registers the transformations ``dlmp.single_level``, ``dlmp.kkt``,
``dlmp.mccormick`` and ``dlmp.binary_expansion`` with Pyomo. Model units: MW, Mvar, per-unit squared
voltage, $, $/MWh.
"""

from pyomo_dlmp.bilevel import LowerLevel, lower_levels
from pyomo_dlmp.blocks import (
    BusBlock,
    CapacitorBlock,
    DatacenterBlock,
    Frame,
    GeneratorBlock,
    LineBlock,
    LoadBlock,
    RegulatorBlock,
    StorageBlock,
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
    OpenDssError,
    SolverError,
)
from pyomo_dlmp.io import (
    list_feeders,
    load_feeder,
    read_opendss,
    read_tables,
    write_opendss,
    write_tables,
)
from pyomo_dlmp.market import (
    AggregatorBlock,
    Interactive,
    Job,
    Market,
    Servers,
    Ups,
    Workload,
    solve_market,
)
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
    OperatingPoint,
    Profile,
    Regulator,
    StaticVarGenerator,
    Storage,
    Substation,
    Transformer,
)
from pyomo_dlmp.opf import Unbalance, build_opf, fit
from pyomo_dlmp.solve import (
    Audit,
    BilevelResult,
    audit,
    load_checkpoint,
    solve_bilevel,
    solve_opf,
    solver_table,
    why_infeasible,
)
from pyomo_dlmp.transform import Tightened, bounds_table, tighten
from pyomo_dlmp.validation import (
    AcPowerFlow,
    AcReport,
    CorrectedOpf,
    ac_power_flow,
    ac_report,
    solve_corrected_opf,
    validate_feeder,
)

__version__ = "0.1.0"

__all__ = [
    "AcPowerFlow", "AcReport", "AggregatorBlock", "Audit", "AuditError", "BilevelResult",
    "BoundError", "Bus", "BusBlock", "Capacitor", "CapacitorBlock", "CenterTappedTransformer",
    "CorrectedOpf", "Datacenter", "DatacenterBlock", "DlmpError", "Fault", "FeederFileError",
    "Frame", "Generator", "GeneratorBlock", "Interactive", "Job", "Line", "LineBlock", "LineCode",
    "Load", "LoadBlock", "LowerLevel", "Market", "ModelError", "Network", "NetworkError",
    "OpenDssError", "OperatingPoint", "Profile", "Regulator", "RegulatorBlock", "Servers",
    "SolverError", "StaticVarGenerator", "Storage", "StorageBlock", "Substation",
    "SubstationBlock", "SvgBlock", "Tightened", "Transformer", "TransformerBlock", "Unbalance",
    "Ups", "Workload", "ac_power_flow", "ac_report", "audit", "bounds_table", "build_opf", "fit",
    "list_feeders", "load_checkpoint", "load_feeder", "lower_levels", "read_opendss",
    "read_tables", "solve_bilevel", "solve_corrected_opf", "solve_market", "solve_opf",
    "solver_table", "tighten", "validate_feeder", "why_infeasible", "write_opendss",
    "write_tables",
]
