"""What was shown, what came of it, and what another policy would have been worth."""
