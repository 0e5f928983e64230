"""The laboratory: how accurate a model is, and where its thresholds lie. No record passes here."""
