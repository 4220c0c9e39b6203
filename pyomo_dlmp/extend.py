"""Rows of your own in the package's tables, for this process: nothing in the package is edited.

| call                                | adds                     | described in                |
|-------------------------------------|--------------------------|-----------------------------|
| `register_device(dataclass, block)` | a device at a bus        | docs/contributing_device.md |
| `register_mode(mode)`               | a complementarity mode   | docs/contributing_modes.md  |
| `register_strategy(strategy)`       | a way of `solve_bilevel` | docs/contributing_modes.md  |
| `register_solver(interface)`        | a solver of Pyomo's      | docs/contributing_modes.md  |
| `register_market(row)`              | a market                 | docs/contributing_modes.md  |

`unregister_device(word)` takes a device out again.
"""

from pyomo_dlmp.blocks import register_device, unregister_device
from pyomo_dlmp.market import register_market
from pyomo_dlmp.solve import register_strategy
from pyomo_dlmp.solvers import register_solver
from pyomo_dlmp.transform.complementarity import register_mode

__all__ = [
    "register_device", "register_market", "register_mode", "register_solver", "register_strategy",
    "unregister_device",
]
