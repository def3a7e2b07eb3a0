"""The `larder` command, a module a group of verbs. Spark and models are imported by the verb that needs them."""
