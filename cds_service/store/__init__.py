"""What the service remembers: feedback, how often cards were shown, tokens that were used. No patient data.

SQLite in the data folder, or PostgreSQL. Nothing here is on the way of an answer: a database that is down is
told apart by `StoreDown`, and the hook calls go on.
"""
