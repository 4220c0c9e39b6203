"""What the whole suite shares: how hypothesis searches, golden texts, a count of bilevel runs."""

import signal
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

from tests.registries import restored

# the same examples on every run and on every machine, however loaded it is
# a suite that is started in the background may have inherited an ignored Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("suite", derandomize=True, deadline=None, database=None,
                          suppress_health_check=list(HealthCheck))
settings.load_profile("suite")
OUTCOMES: Counter = Counter()


def pytest_addoption(parser):
    """`--large`: the tests of `make test-all` too; `--update-golden`: write the texts anew."""
    parser.addoption("--large", action="store_true", help="run the tests marked `large` too")
    parser.addoption("--update-golden", action="store_true",
                     help="write the committed texts of reformulations as they are now")


def pytest_collection_modifyitems(config, items):
    """Leave out what is large, unless it is asked for."""
    if not config.getoption("--large"):
        large = [item for item in items if item.get_closest_marker("large")]
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if not item.get_closest_marker("large")]


def pytest_sessionfinish(session):
    """Under pytest-xdist: a worker hands its counts over."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["outcomes"] = dict(OUTCOMES)


@pytest.hookimpl(optionalhook=True)  # a hook of pytest-xdist
def pytest_testnodedown(node):
    """The counts of a worker that has ended."""
    OUTCOMES.update(getattr(node, "workeroutput", {}).get("outcomes", {}))


def pytest_terminal_summary(terminalreporter):
    """Print how many bilevel runs agreed, were refused, or were left unproven."""
    if OUTCOMES:
        total = sum(OUTCOMES.values())
        listed = ", ".join(f"{n} {what}" for what, n in OUTCOMES.most_common())
        terminalreporter.write_line(f"problems x solvers x modes: {total} runs: {listed}")


@pytest.fixture
def registries():
    """What the test registers is forgotten afterwards."""
    with restored():
        yield
