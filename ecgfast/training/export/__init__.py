"""Export: from a trained network to checked TFLite files and their card."""
