"""Who somebody is, and what they may do: `caller.py` has the rules, `signing_in.py` and `tokens.py` the ways in."""
