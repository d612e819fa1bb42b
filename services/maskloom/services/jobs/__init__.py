"""Does jobs: data that comes in or goes out. `foreman.py` looks for them, `worker.py` is the process that does one.

Any number of processes may look. Whoever holds a job's lease does it, and its result is committed only while they do: a job is
done once, whoever believes what. `incoming.py` and `outgoing.py` say what there is to do.
"""
