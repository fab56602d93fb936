"""A file looked at before it is loaded: what it holds, what is odd, and how it would be mapped.

No database is asked and nothing is kept.  The file is streamed once; memory does not grow with it.
"""

from cim.load.inspection.outcome import Inspection, Oddity, Proposal
from cim.load.inspection.run import inspect, kinds_of
from cim.load.matching import SURE

__all__ = ["SURE", "Inspection", "Oddity", "Proposal", "inspect", "kinds_of"]
