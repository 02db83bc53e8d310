"""SMART authorization in both directions: tokens for clients of ours, and our pages opened from an EHR's chart."""
