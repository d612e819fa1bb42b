"""Many runs side by side: `axes.py` says which, `summary.py` what came of them, and `plot.py` draws it.

Each cell of a matrix is an ordinary run, so cells share finished steps by their keys, and whatever exists is not done again.
"""
