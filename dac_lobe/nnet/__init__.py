"""Modules that recipes name in their YAML: losses, discriminators, token models.

Nothing is imported here; name the file: ``dac_lobe.nnet.losses.MelSpectrogramLoss``.
"""
