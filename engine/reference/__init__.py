"""The exchange once more, slow and obvious: what the compiled matcher is compared with.

Plain Python lists, dicts and integers, none of the matcher's code. It takes the same COMMAND records and gives the
same REPORT and REPLY records, field for field. Where the two differ, one of them is wrong.
"""

from engine.reference.answers import Applied
from engine.reference.exchange import Reference

__all__ = ["Applied", "Reference"]
