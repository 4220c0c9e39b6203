"""What a study takes to be the same in every hour because its file says nothing else."""

from __future__ import annotations

from pyomo_dlmp.errors import listed
from pyomo_dlmp.network import Network
from pyomo_dlmp.study.data import Study


def assumed_constant(study: Study, network: Network) -> list[str]:
    """Loads and generators that do not change over the periods of a study, in words.

    Parameters
    ----------
    study : Study
    network : Network
        Of one of its runs.

    Returns
    -------
    list of str
        Empty where everything has its own hours, and for a single period.
    """
    scale = study.dso["load_scale"]
    if study.periods < 2:
        return []
    notes = []
    profiled = [load.name for load in network.loads.values() if load.profile is not None]
    if isinstance(scale, int | float) and network.loads:
        cure = ('load_scale = "profiles" lets those with a profile follow it.' if profiled else
                "Give [dso] load_scale a number for each period.")
        notes.append(f"The loads draw the same in all {study.periods} periods "
                     f"(load_scale = {scale:g}). {cure}")
    free = [gen.name for gen in network.generators.values() if gen.cost == 0 and not (
        scale == "profiles" and gen.profile is not None)]
    if free:
        notes.append(f"What the generators without cost {listed(sorted(free), 3)} can make is the "
                     f"same in all {study.periods} periods, as at the moment of the feeder's "
                     'files. Give them a profile, and load_scale = "profiles".')
    return notes
