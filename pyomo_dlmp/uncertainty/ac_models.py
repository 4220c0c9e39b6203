"""The market of each scenario in the AC form: linear at an operating point, which moves.

As `ScenarioModels`, but each scenario has a model and a point of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.lower.solver import LowerSolution, kkt_residual
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.dso import AcDso, bilevel_of
from pyomo_dlmp.parametric import Atlas, Instance, NotExplicit
from pyomo_dlmp.parametric.instance import Prepared
from pyomo_dlmp.series.answers import Answer
from pyomo_dlmp.uncertainty.ac_check import load_decided, schedule_of
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels, ScenarioPoint, refused
from pyomo_dlmp.uncertainty.scenario_parts import ScenarioParts, arrays_of
from pyomo_dlmp.uncertainty.scenarios import Scenarios


class AcModels(ScenarioModels):
    """The models of a market's scenarios, each at its operating point.

    Parameters
    ----------
    market : Market
        Of the AC form.
    scenarios : Scenarios
    decided : mapping of str to mapping of str to float
        By scenario the leader's decisions at whose AC power flow the first point is.

    Raises
    ------
    SolverError
        The AC equations have no solution there.
    """

    def __init__(self, market: Market, scenarios: Scenarios,
                 decided: Mapping[str, Mapping[str, float]]):
        super().__init__(market, scenarios)
        self.dsos: dict[str, AcDso] = {}
        self._instances: dict[str, Instance] = {}
        self._ready: dict[str, Prepared] = {}
        for name in scenarios.names:
            mine = self.market_of(name)
            m, dso = bilevel_of(mine, start=schedule_of(mine, decided[name]))
            assert isinstance(dso, AcDso)
            load_decided(m, decided[name])
            dso.step()
            self.dsos[name], self._instances[name] = dso, Instance(m, Atlas())

    @property
    def labels(self) -> list:
        """Labels of the periods."""
        return list(self.dsos[self.scenarios.names[0]].model.periods)

    def parts(self, name: str, within: Mapping[str, np.ndarray] | None = None) -> ScenarioParts:
        """The arrays of a scenario at its present point; as of `ScenarioModels.parts`."""
        assert within is None
        instance, dso = self._instances[name], self.dsos[name]
        instance.atlas.give(instance.model.dso, dso.compiled())
        try:
            found = self._ready[name] = instance.prepared()
        except NotExplicit as err:
            raise refused(name, str(err)) from err
        there, labels = dso.model.datacenter, self.labels
        power = {site: [there[site].p[t] if site in there else None for t in labels]
                 for site in self.market.network.datacenters}
        starts = {(job, *key): var for job, block in instance.model.dca.job.items()
                  if block.component("start") is not None for key, var in block.start.items()}
        return arrays_of(name, self.scenarios.probability(name), found.ready.hull, power, starts,
                         dso.model.period_hours)

    def point(self, name: str, decisions: dict[str, float]) -> ScenarioPoint:
        """What a scenario comes to at decisions, at its present point; without prices by bus."""
        found = self._instances[name].answer_at(decisions, self._ready[name])
        return ScenarioPoint(found, Answer(0, str(found.status)), self.labels)

    def follow(self, name: str, decisions: dict[str, float]) -> float:
        """Move a scenario's point to the AC power flow of decisions.

        The DSO has the prices that the leader's payment is of, as in `market.ac_leader`.

        Parameters
        ----------
        name : str
        decisions : dict of str to float
            As of `point`.

        Returns
        -------
        float
            Greatest change of a voltage (pu).
        """
        dso = self.dsos[name]
        found = self._instances[name].answer_at(decisions, self._ready[name])
        assert found.decisions is not None
        load_values(found.columns, found.decisions)
        (own,) = found.lowers
        kkt = dso.compiled()
        volts, _ = dso.follow(LowerSolution(
            own.x, own.y, own.mu, kkt.form.cost(own.x, own.u),
            kkt_residual(kkt, own.x, own.u, own.y, own.mu), kkt))
        dso.linearise()
        return volts
