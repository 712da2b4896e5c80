import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startProxy } from '../../fixtures/references/proxy.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { splitRuns } from '../../src/pack/parse-pack-stream.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'

const MIB = 2 ** 20
/** More than what sockets of loopback and streams hold, and far less than what there is to send. */
const MOST_AHEAD = 24 * MIB

t.test('a server that does not read stops the reading of what is sent', async t => {
  let resume = () => {}
  let taken = 0
  const server = createServer((request, response) => {
    request.on('data', (part: Buffer) => {
      taken += part.length
    })
    request.pause()
    resume = () => void request.resume()
    request.on('end', () => {
      response.setHeader('artifactd-store', '0'.repeat(32))
      response.setHeader('content-type', 'application/json')
      response.end('{"stored": 200, "rejected": []}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const remote = openHttpRemote({ url: `http://127.0.0.1:${port}` })
  let read = 0
  async function* records() {
    const body = Buffer.alloc(MIB)
    const key: BlobKey = { kind: 'blob', digest: `xxh128:${'0'.repeat(32)}`, size: MIB }
    for (; read < 200; read += 1) yield { key, storedLength: MIB, body }
  }
  const sending = remote.send('default', records)
  await sleep(1500)
  t.ok(read > 0 && read * MIB < MOST_AHEAD, `${read} MiB were read, ${taken} bytes taken`)
  const before = read
  await sleep(500)
  t.equal(read, before, 'and no more')
  resume()
  t.same(await sending, { stored: 200, rejected: [] })
  t.ok(taken > 200 * MIB)
})

t.test('a client that does not read stops the reading of what it is sent', async t => {
  const { served, server } = await serveStores(t)
  const files = Array.from({ length: 400 }, () => randomBytes(200_000))
  const proxy = await startProxy(t, server.url)
  const ingest = served.ingest()
  const stored = await ingest.addBytes('blob', files)
  for (const pack of (await ingest.finish()).packs) await served.catalog.addPack(pack)
  const keys = stored.map(({ digest }): BlobKey => ({ kind: 'blob', digest, size: 200_000 }))
  const records = splitRuns(openHttpRemote({ url: proxy.url }).fetch('default', keys))
  let got = 0
  for await (const { body } of records) {
    for await (const part of body) got += part.length
    if (got === 200_000) {
      await sleep(1500)
      t.ok(proxy.downloaded < MOST_AHEAD, `${proxy.downloaded} bytes passed`)
    }
  }
  t.equal(got, 400 * 200_000)
})
