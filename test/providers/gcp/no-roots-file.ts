// Imported before all else: gRPC reads it once, when it is loaded, and the certificates of fakes would not be in that file.
delete process.env['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH']
