"""Drives the runs that are left to it, several at a time. `scheduler.py` looks and acts, `turns.py` says whose turn it is, and
`driver.py` is the process that drives one run.

Any number of schedulers may work on one catalog. Each holds a lease on every run that it has started a driver for, and the
driver holds the run's own lease, so a run is driven once, whoever believes what.
"""
