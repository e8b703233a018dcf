"""How cards fare week by week: shown, accepted, overridden and why, as figures and pictures."""
