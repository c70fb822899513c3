"""The engine: from a frozen plan to committed rows, and from those to one output file."""
