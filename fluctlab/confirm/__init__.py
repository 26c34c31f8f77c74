"""Everything that trains: a reduced ResNet, images to train it on, and the loop. The only room that imports torch.

The package can be called: ``fluctlab.confirm(run)`` is ``fluctlab.confirming.confirm(run)``, whichever was imported first.
"""

from __future__ import annotations

import sys
import types
from typing import Any


class _CallablePackage(types.ModuleType):
    """A package that stands for its one public function, since both are called ``confirm``."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Test a cause by experiment; see ``fluctlab.confirming.confirm``."""
        from fluctlab.confirming import confirm

        return confirm(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
