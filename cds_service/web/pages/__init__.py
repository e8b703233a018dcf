"""The pages for people: the workbench, the list checker, insights, and the knowledge in plain sentences."""
