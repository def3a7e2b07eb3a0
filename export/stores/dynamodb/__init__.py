"""The store in DynamoDB: one readable item a list, the snapshot's files as chunks, one item that is the pointer."""
