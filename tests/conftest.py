"""What the whole suite shares: a count of the runs over problems x solvers x modes."""

from collections import Counter

import pytest

from tests.registries import restored

OUTCOMES: Counter = Counter()


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
