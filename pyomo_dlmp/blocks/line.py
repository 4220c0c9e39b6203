"""Line: a `BranchBlock` with the identity connection and the impedance of its code and length.

z (pu) = z (ohm) / kV_ln^2, for powers in MW per phase. Shunt charging is not modeled here.
"""

from __future__ import annotations

from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.branch import BranchBlockData, identity_connection
from pyomo_dlmp.blocks.frame import Frame
from pyomo_dlmp.network.elements import Line


@declare_custom_block(name="LineBlock")
class LineBlockData(BranchBlockData):
    """A line; Vars `p`, `q` (MW, Mvar per phase towards the to-bus)."""

    def build(self, line: Line, frame: Frame, from_bus, to_bus) -> None:
        """Connect two BusBlocks. ModelError for a phase that a bus lacks."""
        z_pu = line.z / to_bus.kv_ln**2
        self.connect(line.name, line.phases, frame, from_bus, to_bus, z_pu,
                     identity_connection(line.phases))
