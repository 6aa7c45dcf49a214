"""A second process that reads events off busy connections.

One core carries HTTP, matching and the journal; where there is a second one, it can read requests
and decode their events. So while much comes in, the connections it comes over are *lent* to a
reader process, and come back when they fall silent or bring anything but a further event:

    client ══▶ reader ── events, decoded ──▶ server ──▶ journal
           ◀══        ◀── what became of them ──

The server keeps every decision: it listens, reads the first request of each connection, checks
whom it may serve, matches, stores and says what is answered. The reader knows nothing but heads
of requests that the server read before (see `server/express.py`), and how to decode the events
behind them. It starts when it is worth its memory and ends when it is not; when it dies, the
connections it held are closed, and nothing else changes.
"""
