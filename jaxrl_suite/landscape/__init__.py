"""Loss surfaces: spherical spin glasses, their theory, curvature, and annealing."""
