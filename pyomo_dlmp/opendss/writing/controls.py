"""Controls as OpenDSS commands, beside what `write.script` makes of their network."""

from __future__ import annotations

from collections.abc import Iterator

from pyomo_dlmp.network import Line, Network, Regulator
from pyomo_dlmp.network.controls import CapacitorControl, RegulatorControl
from pyomo_dlmp.opendss.writing.wording import Wording, figure, node_of


def together(network: Network) -> frozenset[str]:
    """Regulators whose units one control moves: they are to be written as one transformer.

    Parameters
    ----------
    network : Network

    Returns
    -------
    frozenset of str
    """
    return frozenset(
        c.of for c in network.controls if isinstance(c, RegulatorControl) and not c.unit
        and c.of in network.regulators and len(network.regulators[c.of].taps) > 1)


def switched(network: Network) -> frozenset[str]:
    """Capacitors that a control switches: they are to be written, even if they are open."""
    return frozenset(c.of for c in network.controls if isinstance(c, CapacitorControl))


class Controls:
    """The controls of a network in the engine.

    Parameters
    ----------
    words : Wording
        Of the network, after its elements were written with `together` and `switched`.

    Attributes
    ----------
    commands : list of str
        That make the controls.
    at_rest : list of str
        That put taps and switches where they are in the network.
    fixed : dict of str to str
        [control]: why it does not act.
    taps : dict of str to tuple
        [control]: (transformer in the engine, winding).
    banks : dict of str to list of str
        [control]: capacitors in the engine.
    """

    def __init__(self, words: Wording):
        self.words, self.network = words, words.network
        self.commands: list[str] = []
        self.at_rest: list[str] = []
        self.fixed: dict[str, str] = {}
        self.taps: dict[str, tuple[str, int]] = {}
        self.banks: dict[str, list[str]] = {}
        for number, control in enumerate(self.network.controls):
            name = f"control_{number}"
            if isinstance(control, RegulatorControl):
                self._regulator(name, control)
            elif isinstance(control, CapacitorControl):
                self._capacitor(name, control)
            else:
                self.fixed[control.name] = control.why

    def _regulator(self, name: str, c: RegulatorControl) -> None:
        own = self.network.regulators.get(c.of) or self.network.transformers[c.of]
        kind = "regulator" if isinstance(own, Regulator) else "transformer"
        parts = [full for full in self.words.names.parts[kind, c.of]
                 if full.startswith("transformer.")]
        if isinstance(own, Regulator):
            at = list(own.taps).index(c.unit) if c.unit else 0
            ratio = list(own.ratio.values())[at]
            tap = 1.0 / ratio if own.kind == "A" else ratio
            winding = 1 if own.kind == "A" else 2
        else:
            at, winding = 0, 1 if c.tap_side == "from" else 2
            tap = own.from_tap if winding == 1 else own.tap
            if len(parts) > 1:
                self.fixed[c.name] = f"{c.of!r} stands as {len(parts)} units in the engine"
                return
        full = parts[at]
        self.taps[c.name] = full.partition(".")[2], winding
        self.at_rest.append(f"edit {full} wdg={winding} tap={figure(tap)}")
        self.commands += [
            f"edit {full} wdg={winding} mintap={figure(c.tap_min)} maxtap={figure(c.tap_max)} "
            f"numtaps={c.steps}",
            " ".join([f"new regcontrol.{name} transformer={full.partition('.')[2]} "
                      f"winding={1 if c.side == 'from' else 2} tapwinding={winding}",
                      *self._settings(c, own)])]

    def _settings(self, c: RegulatorControl, own) -> Iterator[str]:
        yield (f"vreg={figure(c.v_set)} band={figure(c.band)} ptratio={figure(c.pt_ratio)} "
               f"ctprim={figure(c.ct_a)} r={figure(c.r_v)} x={figure(c.x_v)} "
               f"delay={figure(c.delay_s)} tapdelay={figure(c.tap_delay_s)} "
               f"maxtapchange={c.most_taps} vlimit={figure(c.v_limit)}")
        if c.bus:
            bus = self.network.buses[c.bus]
            yield f"bus={self.words.node(c.bus, node_of(bus, c.phase or bus.phases[0]))}"
            if c.remote_pt_ratio is not None:
                yield f"remoteptratio={figure(c.remote_pt_ratio)}"
        elif c.phase in ("min", "max"):
            yield f"ptphase={c.phase}"
        elif c.phase and not c.unit:
            phases = own.from_phases if c.side == "from" else own.to_phases
            yield f"ptphase={phases.index(c.phase) + 1 if c.phase in phases else 1}"
        if c.reverse is not None:
            v, band, r, x, threshold, delay = map(figure, c.reverse)
            yield (f"reversible=yes revvreg={v} revband={band} revr={r} revx={x} "
                   f"revthreshold={threshold} revdelay={delay} "
                   f"revneutral={'yes' if c.reverse_neutral else 'no'}")

    def _capacitor(self, name: str, c: CapacitorControl) -> None:
        parts = [full for full in self.words.names.parts.get(("capacitor", c.of), [])
                 if full.startswith("capacitor.")]
        branch = self.network.branches.get(c.branch)
        word = "line" if isinstance(branch, Line) else "transformer"
        seen = [full for full in self.words.names.parts.get((word, c.branch), [])
                if full.startswith(f"{word}.")]
        if branch is None or len(seen) != 1:
            self.fixed[c.name] = f"it measures at {c.branch!r}, which is open or several units"
            return
        if not parts:
            self.fixed[c.name] = f"{c.of!r} is no capacitor in the engine"
            return
        terminal = 1 if c.bus == branch.from_bus else 2
        phases = branch.from_phases if terminal == 1 else branch.to_phases
        v, i = (k if k in ("avg", "min", "max") else phases.index(k) + 1 if k in phases else 1
                for k in (c.v_phase, c.i_phase))
        override = "voltoverride=no" if c.v_min is None or c.v_max is None else (
            f"voltoverride=yes vmin={figure(c.v_min)} vmax={figure(c.v_max)}")
        self.banks[c.name] = [full.partition(".")[2] for full in parts]
        closed = int(self.network.capacitors[c.of].closed)
        for k, full in enumerate(parts):  # each leg by itself, all of them measuring the same
            self.at_rest.append(f"edit {full} states=[{closed}]")
            self.commands.append(
                f"new capcontrol.{name}_{k} capacitor={full.partition('.')[2]} element={seen[0]} "
                f"terminal={terminal} type={c.kind} onsetting={figure(c.on)} "
                f"offsetting={figure(c.off)} ptratio={figure(c.pt_ratio)} "
                f"ctratio={figure(c.ct_ratio)} ptphase={v} ctphase={i} {override} "
                f"delay={figure(c.delay_s)} delayoff={figure(c.delay_off_s)} "
                f"deadtime={figure(c.dead_s)} pctminkvar={figure(c.least_kvar_percent)}")
