"""Kernels over arrays: from outlines and surfaces to triangles and the lines on them."""
