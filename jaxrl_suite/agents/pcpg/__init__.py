"""PC-PG: a cover of policies that rolls in wherever the elliptical bonus says little has been seen."""
