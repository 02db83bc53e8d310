"""Answers CDS Hooks 2.0: what the care plan has to say at the moment a clinician opens, discharges or orders."""
