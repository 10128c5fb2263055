"""Grafana's SDK warns, when it is imported, that there is a newer schema; provisioned files have this one."""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    import grafana.generate  # noqa: F401  the whole SDK once, without the warning
