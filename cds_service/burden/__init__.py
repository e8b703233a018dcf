"""The alert burden: what the service says to folders of hook calls, counted."""
