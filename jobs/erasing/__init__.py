"""Users erased wherever below the root and in the store they are named, and what could not be reached."""
