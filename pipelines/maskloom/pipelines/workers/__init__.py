"""The Ray actors that hold a network and its data."""
