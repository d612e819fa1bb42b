"""Expert review: which masks readers see, what comes back, and what is made of it. `rounds.py` is the way through it."""
