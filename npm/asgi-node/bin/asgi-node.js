#!/usr/bin/env sh
':' //; exec node -- "$0" "$@"

// For the shell, the line above starts Node; for JavaScript it is a string and a comment. Without the `--`, Node itself would
// read --env-file and --env-file-if-exists at any position, and could end with its own message and status (9).

import { main } from '../lib/cli.js'

// Other open handles, for example a connection to another server, must not keep the process alive after the server's end.
process.exit(await main(process.argv.slice(2)))
