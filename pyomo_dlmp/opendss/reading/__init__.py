"""A solved circuit becomes a network; every element is compared with the engine's."""
