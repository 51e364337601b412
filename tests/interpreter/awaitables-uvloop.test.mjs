import { testAwaitables } from './awaitables.mjs'

testAwaitables('uvloop')
