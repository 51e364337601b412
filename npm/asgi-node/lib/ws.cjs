// What we use of `ws`. Who imports from a CommonJS package by name makes Node read all of its files for the names that they
// export: that took a third of the time that importing asgi-node takes.

// Typed as an import is: TypeScript takes what a require gives for other classes, although they are the same.
const ws = /** @type {typeof import('ws', { with: { 'resolution-mode': 'import' } })} */ (/** @type {unknown} */ (require('ws')))

exports.WebSocket = ws.WebSocket
exports.WebSocketServer = ws.WebSocketServer
// What it exports and its documentation does not name (node-internals.js).
exports.all = ws
