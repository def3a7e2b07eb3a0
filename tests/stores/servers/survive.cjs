// The server outlives a client that was killed in the middle of a request: its socket's error reaches nobody.
process.on('uncaughtException', function (error) {
  if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') {
    console.error(error)
    process.exit(1)
  }
})
