"""A pasted list of medications: each line read, every pair of drugs judged, the findings in a matrix."""
