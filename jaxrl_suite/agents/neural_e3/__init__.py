"""Neural-E3 (Henaff, 2019, arXiv 1911.00617): explicit exploration with an ensemble of models.

`ensemble` holds the models and `planning` measures their disagreement. `playouts` plans by simulation
in them, and `finite` is the agent around it for tasks of fixed length, with its `settings`. The
paper's agent for control and mazes, which searches over sets of predicted states, is not here.
"""
