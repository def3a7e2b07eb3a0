"""The bytes of a snapshot: shard files, item dictionary, fallback lists, manifest. The same on disk and in S3."""
