"""What pages share: results, queue, address, session."""
