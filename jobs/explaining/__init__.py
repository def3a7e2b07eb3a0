"""Why an item stands in a user's list, or does not."""
