from hypothesis import settings

# On a busy machine a single example can take long without being wrong.
settings.register_profile("drcls", deadline=None)
settings.load_profile("drcls")
