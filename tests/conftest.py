"""What the whole suite shares: how hypothesis searches, golden texts, a count of bilevel runs."""

from collections import Counter

from hypothesis import HealthCheck, settings

# the same examples on every run and on every machine, however loaded it is
settings.register_profile("suite", derandomize=True, deadline=None, database=None,
                          suppress_health_check=list(HealthCheck))
settings.load_profile("suite")
OUTCOMES: Counter = Counter()


def pytest_addoption(parser):
    """`--update-golden` writes the texts of tests/transform/golden as they are now."""
    parser.addoption("--update-golden", action="store_true",
                     help="write the committed texts of reformulations as they are now")


def pytest_terminal_summary(terminalreporter):
    """Print how many bilevel runs agreed, were refused, or were left unproven."""
    if OUTCOMES:
        total = sum(OUTCOMES.values())
        listed = ", ".join(f"{n} {what}" for what, n in OUTCOMES.most_common())
        terminalreporter.write_line(f"problems x solvers x modes: {total} runs: {listed}")
