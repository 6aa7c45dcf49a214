"""What happened: the event, the one log of all events, and the ways they come in.

`journal.py` is the heart: whatever is to be stored or set in motion goes through it as one
`change`, in one transaction, in one order. Sources turn what arrives into an `Event`; whoever
decides what follows meets the `Evaluator` protocol and is called inside that transaction.
"""
