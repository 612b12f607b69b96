"""Replay: a graph that was recorded once runs again on new numbers, a whole batch at a time.

A recorded graph is sorted into `steps`; each operation's rule is read once as a `kernel` of array calls; `on_numpy` and
`on_jax` run them. `plan.Plan` is what users hold.
"""

from .plan import Plan, Result, replay

__all__ = ["Plan", "Result", "replay"]
