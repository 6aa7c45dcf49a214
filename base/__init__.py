"""What every floor stands on: time, ids, errors, the database, services, metrics.

Nothing here knows what an event or a rule is.
"""
