"""A Dongguan-like city from a seed, at any size."""
