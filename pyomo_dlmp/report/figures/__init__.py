"""Pictures: functions of tidy tables that return a `matplotlib.figure.Figure`."""
