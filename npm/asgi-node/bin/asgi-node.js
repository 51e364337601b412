#!/usr/bin/env node
import { main } from '../lib/cli.js'

// What else is open, as a connection to another server, must not keep a server that has ended.
process.exit(await main(process.argv.slice(2)))
