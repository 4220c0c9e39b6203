"""What the whole suite shares: a count of the runs over problems x solvers x modes."""

from collections import Counter

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
