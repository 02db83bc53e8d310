"""Makes our record and an EHR's agree, and says where they do not."""
