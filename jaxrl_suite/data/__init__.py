"""Data of supervised experiments: bundled sets, generators, readers of standard files."""
