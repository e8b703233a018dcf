"""A synthetic population that signs orders, drawn from published frequencies (`fixtures/cohort/`)."""
