"""The model registry: networks with names, and which of them a data set uses."""
