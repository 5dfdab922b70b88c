"""What a comparison of methods shows: the verdict in words, one figure, tables, curves; all from its plain data."""
