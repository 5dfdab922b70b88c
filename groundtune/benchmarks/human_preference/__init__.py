"""Human Pref. by people: a blind comparison sheet in one HTML file, and the verdicts that come back from it (ours)."""
