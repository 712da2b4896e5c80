import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { lingerAfterAnswers } from '../../server/linger.js'
import { KEYS_TYPE, PACK_TYPE } from '../../src/remote/messages.js'

const MIB = 1024 * 1024
const ENTITY = '/api/v1/entities/default'
const COMMIT = `${ENTITY}/projects/p/artifacts/cats/commit`

/** A connection with the head of a request written to it, of which nobody reads yet. */
function begin(port: number, path: string, headers: string[]): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.write([`POST ${path} HTTP/1.1`, 'host: localhost', ...headers, '\r\n'].join('\r\n'))
  return socket
}

async function write(socket: Socket, bytes: Uint8Array | string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.write(bytes, error => (error ? reject(error) : resolve()))
  })
}

t.test('who reads only after all is written gets the answer', async t => {
  const { server } = await serveStores(t, { key: 'sesame' })
  const port = Number(new URL(server.url).port)
  const known = 'authorization: Bearer sesame'
  const cases: [code: string, path: string, type: string, authorization: string][] = [
    ['PACK_INVALID', `${ENTITY}/packs`, PACK_TYPE, known],
    ['REQUEST_INVALID', `${ENTITY}/packs`, 'text/plain', known],
    ['REQUEST_TOO_LARGE', `${ENTITY}/missing`, KEYS_TYPE, known],
    ['REQUEST_TOO_LARGE', COMMIT, 'application/json', known],
    ['REMOTE_UNAUTHORIZED', `${ENTITY}/packs`, PACK_TYPE, 'authorization: Bearer simsim'],
    ['ROUTE_NOT_FOUND', '/nowhere', PACK_TYPE, known],
  ]
  const count = 48
  for (const [code, path, type, authorization] of cases) {
    for (const framing of [`content-length: ${count * MIB}`, 'transfer-encoding: chunked']) {
      for (const connection of ['close', 'keep-alive']) {
        const what = `${code}, ${framing}, ${connection}`
        const headers = [`content-type: ${type}`, authorization, framing]
        const socket = begin(port, path, [...headers, `connection: ${connection}`])
        t.teardown(() => socket.destroy())
        const isChunked = framing.endsWith('chunked')
        const part = Buffer.alloc(MIB, 1)
        for (let n = 0; n < count; n += 1) {
          if (isChunked) await write(socket, `${MIB.toString(16)}\r\n`)
          await write(socket, part)
          if (isChunked) await write(socket, '\r\n')
        }
        if (isChunked) await write(socket, '0\r\n\r\n')
        let text = ''
        while (!text.endsWith('}}')) text += String((await once(socket, 'data'))[0])
        t.match(text, /^HTTP\/1\.1 4\d\d /, what)
        t.equal(JSON.parse(text.slice(text.indexOf('{'))).error.code, code, what)
        socket.destroy()
      }
    }
  }
})

t.test('who never stops writing is cut off', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addContentTypeParser(PACK_TYPE, (_, payload, done) => done(null, payload))
  lingerAfterAnswers(app, 100)
  app.post('/', async () => ({ answer: 'no' }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  for (const connection of ['close', 'keep-alive']) {
    const headers = [`content-type: ${PACK_TYPE}`, 'content-length: 1000000000']
    const socket = begin(port, '/', [...headers, `connection: ${connection}`])
    const [answer] = await once(socket, 'data')
    t.match(String(answer), /{"answer":"no"}$/, connection)
    const cut = once(socket, 'close').catch(error => error)
    let isCut = false
    cut.then(() => {
      isCut = true
    })
    for (; !isCut; await sleep(1)) socket.write('x')
    t.pass(`cut off, ${connection}`)
  }
})

t.test('a reader that lets go late does not keep the rest from being read', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addContentTypeParser(PACK_TYPE, (_, payload, done) => done(null, payload))
  lingerAfterAnswers(app, 5000)
  app.post('/', async ({ raw }) => {
    const parts = raw.iterator({ destroyOnReturn: false })
    await parts.next()
    // Until more comes, it waits for that, and only then for its end.
    void parts.next()
    void parts.return?.()
    return { answer: 'no' }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const length = `content-length: ${16 * MIB}`
  const socket = begin(port, '/', [`content-type: ${PACK_TYPE}`, length, 'connection: close'])
  t.teardown(() => socket.destroy())
  socket.write('x')
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /{"answer":"no"}$/)
  await write(socket, Buffer.alloc(16 * MIB - 1))
  await once(socket, 'end')
  t.pass('all was read')
})
