"""This version against an earlier one, side by side, each with its own code, servers and data."""
