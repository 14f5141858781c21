"""The learned QRS score of the detector `neural`: from recordings to weights in C."""
