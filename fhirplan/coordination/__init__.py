"""What the work's state is, which moves are legal and what follows from them; pure, with the time as an argument.

``rules.findings`` judges a transaction, ``consequences`` says what it brings about, ``lifecycle.applied`` what the
server adds; ``state``, ``alerts`` and ``worklist`` compute what others read; ``templates.apply`` plans.
"""
