"""The learned QRS score of the detector `neural`: data, augmentation, network, training, weights for C."""
