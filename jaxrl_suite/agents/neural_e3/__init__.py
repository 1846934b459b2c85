"""Neural-E3 (Henaff, 2019, arXiv 1911.00617): explicit exploration with an ensemble of models.

`finite` is the agent for stochastic tasks of fixed length, the locks: `planning` measures how much
the models disagree and `playouts` simulates in them. `control` is the agent for deterministic tasks,
control and mazes: `frontier` searches over sets of predicted states, `transition` has the models,
`segments` what they are trained on. `settings` and `control_settings` are the two's options, and
`ensemble` holds the models of both.
"""
