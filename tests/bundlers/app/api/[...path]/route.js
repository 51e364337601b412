import { python } from '../../../python.js'
export const dynamic = 'force-dynamic'
export const GET = (request) => python.fetch(request, { rootPath: '/api' })
export const POST = GET
