"""Kernels over arrays of shapes: validity, frames, cuts, the division of a floor, storeys."""
