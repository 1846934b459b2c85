"""Classic control and MinAtar through gymnax."""
