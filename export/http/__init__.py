"""The lists over HTTP; needs the extra `serve`. Nothing else of `export` imports this."""
