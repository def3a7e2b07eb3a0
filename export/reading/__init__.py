"""How lists are read: which snapshot, within which time, without what sold out, and what when the store is away."""
