"""A rule in plain sentences, and what it reads of a patient: for the knowledge pages. Pure, over the core's values."""
