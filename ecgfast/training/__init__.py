"""From recordings to trained, converted and scored models (extra ``train``)."""
