"""Device blocks: one Pyomo block for each device, its mathematics in its module's text."""

from pyomo_dlmp.blocks.ac_bus import AcBusBlock, AcBusBlockData
from pyomo_dlmp.blocks.ac_element import AcElementBlock, AcElementBlockData
from pyomo_dlmp.blocks.ac_leg import AcLegBlock, AcLegBlockData
from pyomo_dlmp.blocks.ac_substation import AcSubstationBlock, AcSubstationBlockData
from pyomo_dlmp.blocks.branch import BranchBlock, BranchBlockData
from pyomo_dlmp.blocks.bus import BusBlock, BusBlockData
from pyomo_dlmp.blocks.capacitor import CapacitorBlock, CapacitorBlockData
from pyomo_dlmp.blocks.datacenter import DatacenterBlock, DatacenterBlockData
from pyomo_dlmp.blocks.device import BalancedBlockData, DeviceBlockData, Surroundings
from pyomo_dlmp.blocks.generator import GeneratorBlock, GeneratorBlockData
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.blocks.line import LineBlock, LineBlockData
from pyomo_dlmp.blocks.load import LoadBlock, LoadBlockData
from pyomo_dlmp.blocks.parallel import AdmittanceBlock, ParallelBlock
from pyomo_dlmp.blocks.registry import register_device, unregister_device
from pyomo_dlmp.blocks.regulator import RegulatorBlock, RegulatorBlockData
from pyomo_dlmp.blocks.shunt import ShuntBlock
from pyomo_dlmp.blocks.storage import StorageBlock, StorageBlockData
from pyomo_dlmp.blocks.substation import SubstationBlock, SubstationBlockData
from pyomo_dlmp.blocks.svg import SvgBlock, SvgBlockData
from pyomo_dlmp.blocks.transformer import TransformerBlock, TransformerBlockData

__all__ = [
    "AcBusBlock",
    "AcBusBlockData",
    "AcElementBlock",
    "AcElementBlockData",
    "AcLegBlock",
    "AcLegBlockData",
    "AcSubstationBlock",
    "AcSubstationBlockData",
    "AdmittanceBlock",
    "BalancedBlockData",
    "BranchBlock",
    "BranchBlockData",
    "BusBlock",
    "BusBlockData",
    "CapacitorBlock",
    "CapacitorBlockData",
    "DatacenterBlock",
    "DatacenterBlockData",
    "DeviceBlockData",
    "GeneratorBlock",
    "GeneratorBlockData",
    "Horizon",
    "LineBlock",
    "LineBlockData",
    "LoadBlock",
    "LoadBlockData",
    "ParallelBlock",
    "RegulatorBlock",
    "RegulatorBlockData",
    "ShuntBlock",
    "StorageBlock",
    "StorageBlockData",
    "SubstationBlock",
    "SubstationBlockData",
    "Surroundings",
    "SvgBlock",
    "SvgBlockData",
    "TransformerBlock",
    "TransformerBlockData",
    "register_device",
    "unregister_device",
]

for _block in (AcBusBlock, AcElementBlock, AcLegBlock, AcSubstationBlock, AdmittanceBlock,
               BranchBlock, BusBlock, CapacitorBlock, DatacenterBlock, GeneratorBlock, LineBlock,
               LoadBlock, ParallelBlock, RegulatorBlock, ShuntBlock, StorageBlock, SubstationBlock,
               SvgBlock, TransformerBlock):
    _block.__doc__ = _block._ComponentDataClass.__doc__  # help() shows what a block is
