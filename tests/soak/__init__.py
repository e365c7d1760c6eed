"""Random accidents while practices work: `make soak`."""
