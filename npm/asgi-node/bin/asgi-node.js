#!/usr/bin/env node
import { main } from '../lib/doctor/cli.js'

process.exitCode = await main(process.argv.slice(2))
