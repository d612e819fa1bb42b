"""What other programs and the console talk to. `app.py` puts it together: one module for each kind of thing it serves.

Every answer that is no success is a problem (RFC 9457, `problems.py`); every caller passes `gate.py`, and every route asks them
for the role that it needs.
"""
