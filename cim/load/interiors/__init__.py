"""Storeys, units and rooms of city models (CityJSON): given to buildings that came with them.

`reading` makes of each building what a floor model is, pure; `loading` enters it on the road of
floor models (`cim.load.models`).
"""

from cim.load.interiors.loading import load

__all__ = ["load"]
