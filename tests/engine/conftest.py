"""A property that takes long on a busy machine is not wrong: no deadlines."""

from hypothesis import settings

settings.register_profile("engine", deadline=None)
settings.load_profile("engine")
