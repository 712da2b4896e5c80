import { join } from 'node:path'
import t from 'tap'
import { runCli } from '../../fixtures/run-cli.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { CATS, commitOf, makeVersion, recordsOf } from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { startServer } from '../../server/start-server.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { SESSION_HEADER } from '../../src/remote/session-header.js'
import { openStore, type Store } from '../../src/store/store.js'
import { verifyInStore } from '../../src/store/verify.js'
import { cleanStore } from '../../src/sync/clean-store.js'

const LARGE = 300_000

/** Content that no version names, and nobody was told of. */
async function addDead(store: Store, seed: string): Promise<BlobKey> {
  const ingest = store.ingest()
  const [stored] = await ingest.addBytes('blob', [seededBytes(seed, LARGE)])
  await ingest.finish()
  return { kind: 'blob', digest: stored!.digest, size: LARGE }
}

t.test('what a session was told of, or sent, stays for it', async t => {
  const { folder, local, served, server, remote } = await serveStores(t)
  const told = await addDead(served, 'told')
  const other = await addDead(served, 'other')
  const { version, blobs, pieces } = await makeVersion(local, {
    told: seededBytes('told', LARGE),
    sent: seededBytes('sent', LARGE),
    small: 'small',
  })
  const isThere = async (keys: BlobKey[]) =>
    (await served.catalog.locate(keys)).map(place => place !== null)
  const rest = blobs.filter(({ digest }) => digest !== told.digest)
  t.same(await remote.listMissing('default', [told]), [])
  await remote.send('default', recordsOf(local, rest))
  await cleanStore(served)
  t.same(await isThere([told, other]), [true, false])
  t.same(await isThere(rest), [true, true])

  await remote.send('default', recordsOf(local, pieces))
  await cleanStore(served)
  const { results } = await remote.commit(CATS, [commitOf(version)])
  t.match(results, [{ status: 'committed' }])
  t.same((await verifyInStore(served, (await served.catalog.getVersion(version.id))!)).problems, [])

  const late = await addDead(served, 'late')
  t.same(await remote.listMissing('default', [late]), [])
  await cleanStore(served)
  t.same(await isThere([late]), [true])
  await served.close()
  await server.close()
  const again = openStore(join(folder, 'server'))
  t.teardown(() => again.close())
  await cleanStore(again)
  t.same(await again.catalog.locate([late]), [null], 'sessions end with the server')
  t.same((await verifyInStore(again, (await again.catalog.getVersion(version.id))!)).problems, [])
})

t.test('a session goes on when another ends, and needs an id that is one', async t => {
  const { served, server, remote } = await serveStores(t)
  const mine = await addDead(served, 'mine')
  const other = openHttpRemote({ url: server.url })
  await other.listMissing('default', [])
  t.same(await remote.listMissing('default', [mine]), [])
  await cleanStore(served)
  t.not((await served.catalog.locate([mine]))[0], null)
  const answer = await fetch(`${server.url}/api/v1/entities/default/missing`, {
    method: 'POST',
    headers: { [SESSION_HEADER]: 'me', 'content-type': 'application/vnd.artifactd.keys' },
    body: new Uint8Array(),
  })
  t.equal(answer.status, 400)
  t.match(await answer.json(), { error: { code: 'REQUEST_INVALID' } })
})

t.test('a server that never collects does not', async t => {
  const home = join(t.testdir({}), 'server')
  const server = await serveProcess(t, home, { collectEvery: 'never' })
  const store = openStore(home)
  t.teardown(() => store.close())
  const dead = await addDead(store, 'dead')
  // Takes longer than a collection.
  const { json } = await runCli(['server', 'collect', '--data', home, '--dry-run', '--json'])
  t.ok(json.freedBytes >= LARGE)
  t.not((await store.catalog.locate([dead]))[0], null)
  await server.stop()
})

t.test('a server collects by itself', async t => {
  const folder = t.testdir({})
  const home = join(folder, 'server')
  const server = await startServer({ home, host: '127.0.0.1', port: 0, collectEvery: 50 })
  t.teardown(() => server.close())
  const store = openStore(home)
  t.teardown(() => store.close())
  const dead = await addDead(store, 'dead')
  await waitUntil(async () => (await store.catalog.locate([dead]))[0] === null)
  const release = async () => {
    const next = await addDead(store, 'next')
    return waitUntil(async () => (await store.catalog.locate([next]))[0] === null)
  }
  await release()
  t.pass('again and again')
})
