"""Mazes seen from inside: pictures made by ray casting, on whatever device the agent learns on."""
