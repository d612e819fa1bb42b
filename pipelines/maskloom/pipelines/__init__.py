"""The method: what is done to slices and labels, in which order. Read semi_inf_net.py first."""
