import { testAwaitables } from './awaitables.mjs'

testAwaitables('asyncio')
