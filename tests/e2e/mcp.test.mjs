// python.client under MCP's TypeScript client, against a server by fastmcp: sessions and event streams in process.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { makeHandler } from '../node/support.mjs'

test("field_29: MCP's client against fastmcp", async (t) => {
  const python = makeHandler(t, 'mcp_app:app')
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL('http://localhost/mcp'), { fetch: python.client }))
  const { tools } = await client.listTools()
  assert.deepEqual(tools.map(({ name }) => name), ['add'])
  const { content } = await client.callTool({ name: 'add', arguments: { a: 2, b: 3 } })
  assert.equal(content[0].text, '5')
  await client.close()
})
