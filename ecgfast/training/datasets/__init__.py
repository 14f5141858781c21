"""Data sets: recordings and published tables as labelled examples, and the splits by patient."""
