"""The contexts of a session: what is bound where, and carrying files between the store and the sandbox.

`policy` reads what clients ask for, `selection` says which files that means, `carry_up` and `carry_down` carry them,
`desk` is what one session has of all this.
"""

from __future__ import annotations
