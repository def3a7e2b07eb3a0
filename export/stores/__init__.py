"""Where snapshots are kept and which one is current: a local disk, S3 or DynamoDB, with the same promises."""
