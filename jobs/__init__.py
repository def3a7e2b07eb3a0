"""One step a module: `run(spark, settings, *, as_of) -> JobReport`."""
