"""What every part of Larder agrees on: tables, settings, errors, paths. Imports nothing of ours and never Spark."""
