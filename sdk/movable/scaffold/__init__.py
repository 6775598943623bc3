"""``movable new``: an installable driver, correct as it stands, for an author to change.

The files come from ``templates``; a name in ``$`` is replaced.
"""

from movable.scaffold.generate import scaffold
from movable.scaffold.names import DriverName

__all__ = ["DriverName", "scaffold"]
