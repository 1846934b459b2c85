"""A package of experiments that are quick enough to run whole: what the runner's tests train."""
