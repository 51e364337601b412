#!/usr/bin/env sh
':' //; exec node -- "$0" "$@"

// To the shell, the line above starts Node; to JavaScript it is a text and a comment. Without the `--`, Node reads --env-file
// and --env-file-if-exists itself, wherever they stand, and ends with a message and a status of its own (9).

import { main } from '../lib/cli.js'

// What else is open, as a connection to another server, must not keep a server that has ended.
process.exit(await main(process.argv.slice(2)))
