"""Neural-E3 (Henaff, 2019, arXiv 1911.00617): explicit exploration with an ensemble of models.

`ensemble` and `training` hold models and their losses. `playouts` plans by simulation in stochastic
models, `search` over sets of predicted states in deterministic ones; `finite` and `continuous` are
the two agents around them, as the paper has them for locks and for control and mazes. `planning`
measures disagreement for both.
"""
