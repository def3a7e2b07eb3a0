"""What a machine must have before a session starts."""
