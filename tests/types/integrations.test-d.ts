// That `listener`, `middleware()` and `fetch` fit where servers and frameworks expect them. Compiled, never run.
import { createServer } from 'node:http'
import { serve, type HttpBindings } from '@hono/node-server'
import connect from 'connect'
import express from 'express'
import { Hono } from 'hono'
import { serve as serveSrvx } from 'srvx'
import { PythonError, PythonHandler, type FetchEnv, type Middleware } from 'asgi-node'

const python = new PythonHandler({ app: 'main:app' })

createServer(python.listener)
serve({ fetch: python.fetch })
serveSrvx({ fetch: python.fetch })

const hono = new Hono()
hono.mount('/py', python.fetch)
hono.all('/py/*', (c) => python.fetch(c.req.raw, c.env))
const bound = new Hono<{ Bindings: HttpBindings & { database: string } }>()
bound.all('/py/*', (c) => python.fetch(c.req.raw, { ...c.env, rootPath: '/py', client: ['192.0.2.1', 80] }))

const middleware: Middleware = python.middleware({ fallthrough: true })
express().use('/py', middleware, python.middleware())
connect().use('/py', python.middleware())
express().use((error: unknown, _req: express.Request, res: express.Response, next: express.NextFunction) => {
  if (error instanceof PythonError && error.code === 'APP_ERROR') res.status(error.status ?? 500).send(error.traceback)
  else next(error)
})
// @ts-expect-error no such option
python.middleware({ fallThrough: true })

const env: FetchEnv = { client: ['::1', 1], rootPath: '/py' }
// @ts-expect-error a port is a number
const wrong: FetchEnv = { client: ['::1', '1'] }
const response: Promise<globalThis.Response> = python.fetch(new globalThis.Request('http://h/'), env)
// @ts-expect-error bound once and for all
python.fetch = async () => new globalThis.Response()

export { response, wrong }
