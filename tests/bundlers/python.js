import { PythonHandler } from 'asgi-node'
globalThis.python ??= new PythonHandler({ app: 'redirect_app:app', docroot: process.env.DOCROOT ?? process.cwd() })
export const { python } = globalThis
