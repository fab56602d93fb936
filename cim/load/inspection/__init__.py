"""A file looked at before it is loaded: what it holds, what is odd, and how it would be mapped.

No database is asked and nothing is kept.  The file is streamed once; memory does not grow with it.
"""

from cim.load.inspection.outcome import Inspection, Oddity, Proposal
from cim.load.inspection.run import inspect

__all__ = ["Inspection", "Oddity", "Proposal", "inspect"]
