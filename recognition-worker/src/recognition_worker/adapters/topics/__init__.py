"""The topics that the worker follows and writes: gallery, person keys, directory, rollouts, matches."""
