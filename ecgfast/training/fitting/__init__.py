"""Fitting: batches, the training of a network, cross-validation, calibration."""
