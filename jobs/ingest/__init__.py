"""From a landing folder to clean rows and interactions."""
