"""Decides when: patterns, the index over them, and the triggers built on both.

Matching is pure: it reads no clock and does no I/O. `Selector.parse` reads what a trigger
listens to, `Index` answers for thousands of them at once, `explain` says why not.
"""

from triggers.glob import Glob
from triggers.index import Index
from triggers.pattern import Pattern
from triggers.reason import Reason, explain
from triggers.selector import Failure, Predicate, Selector

__all__ = ["Failure", "Glob", "Index", "Pattern", "Predicate", "Reason", "Selector", "explain"]
