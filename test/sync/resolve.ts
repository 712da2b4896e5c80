import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { logFiles } from '../../fixtures/log-files.js'
import { openStoreRemote, type StoreRemoteOptions } from '../../fixtures/store-remote.js'
import { ArtifactError } from '../../src/errors.js'
import { parseArtifactName } from '../../src/model/reference-name.js'
import type { Remote } from '../../src/remote/remote.js'
import { openStore } from '../../src/store/store.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'
import { resolveVersion } from '../../src/sync/resolve.js'

const URL = 'http://remote.test'
const parse = (text: string) => parseArtifactName(text, { entity: 'default', project: 'p' })

function openPair(test: Test, options: StoreRemoteOptions = {}) {
  const folder = test.testdir({})
  const here = openStore(join(folder, 'here'))
  const there = openStore(join(folder, 'there'))
  test.teardown(() => Promise.all([here.close(), there.close()]))
  const remote = openStoreRemote(there, URL, options)
  const push = () => pushPending(here, () => remote, { defaultRemote: URL })
  const pull = async (name: string) => {
    const found = await resolveVersion(here, remote, parse(name))
    await pullVersion(here, remote, found.remote!)
    return found
  }
  return { here, there, remote, push, pull }
}

t.test('an alias is what the remote says, when it is reachable', async t => {
  const { here, there, remote, pull } = openPair(t)
  await logFiles(there, { 'a.txt': '0' })
  await pull('cats')
  await logFiles(there, { 'a.txt': '1' })

  const found = await resolveVersion(here, remote, parse('cats:latest'))
  t.match(found, { resolved: 'remote', local: false, version: { number: 1 } })
  t.equal(found.remote?.version.id, found.version.id)
  const old = await resolveVersion(here, remote, parse('cats:v0'))
  t.match(old, { resolved: 'local', local: true, version: { number: 0 } })
})

t.test('ids and numbers that are here are answered here', async t => {
  const { here, there, remote, pull } = openPair(t)
  const { id } = await logFiles(there, { 'a.txt': '0' })
  await pull('cats')
  const before = remote.calls.length
  t.equal((await resolveVersion(here, remote, parse(`cats@${id}`))).resolved, 'local')
  t.equal((await resolveVersion(here, remote, parse(`cats@${id.slice(0, 8)}`))).resolved, 'local')
  t.equal((await resolveVersion(here, remote, parse('cats:v0'))).resolved, 'local')
  t.equal(remote.calls.length, before)
})

t.test('an alias that a pending version moved is answered here', async t => {
  const { here, there, remote, push } = openPair(t)
  await logFiles(there, { 'a.txt': 'theirs' })
  const ours = await logFiles(here, { 'a.txt': 'ours' })
  const pending = await resolveVersion(here, remote, parse('cats'))
  t.match(pending, { resolved: 'local', asOf: null, version: { id: ours.id, state: 'pending' } })

  await push()
  const synced = await resolveVersion(here, remote, parse('cats'))
  t.match(synced, { resolved: 'remote', local: true, version: { id: ours.id, number: 1 } })
  await t.rejects(resolveVersion(here, remote, parse('cats:v0')), { code: 'VERSION_RENUMBERED' })
})

const outages: Record<string, Partial<Remote>> = {
  unreachable: {
    findVersion: async () => {
      throw new ArtifactError('REMOTE_UNREACHABLE', 'refused')
    },
  },
  failing: {
    findVersion: async () => {
      throw new ArtifactError('REMOTE_FAILED', '500')
    },
  },
  'talking nonsense': { findVersion: async () => ({ storeId: 'x', version: {} as never }) },
  slow: {
    findVersion: (_collection, _selector, { signal } = {}) =>
      new Promise((_resolve, reject) => {
        const waiting = setTimeout(() => {}, 60_000)
        signal?.addEventListener('abort', () => {
          clearTimeout(waiting)
          reject(signal.reason)
        })
      }),
  },
}

for (const [how, methods] of Object.entries(outages)) {
  t.test(`what is here is answered, with its age, while the remote is ${how}`, async t => {
    const { here, there, remote, pull } = openPair(t)
    await logFiles(there, { 'a.txt': '0' })
    await pull('cats')
    const broken = { ...remote, ...methods }
    const found = await resolveVersion(here, broken, parse('cats'), { timeout: 50 })
    t.match(found, { resolved: 'local', local: true, version: { number: 0 } })
    t.match(found.asOf, /^\d{4}-\d\d-\d\dT/)
    await t.rejects(resolveVersion(here, broken, parse('dogs'), { timeout: 50 }), {
      code: /^REMOTE_/,
      message: /is not here/,
    })
  })
}

t.test('an answer that is unchanged is fresh again, and costs no record', async t => {
  const { here, there, remote, pull } = openPair(t)
  await logFiles(there, { 'a.txt': '0' })
  await pull('cats')
  const journal = () => hashTree(join(here.home, 'journal'))
  const before = journal()
  const clock = () => new Date('2031-02-03T04:05:06.789Z')
  const found = await resolveVersion(here, remote, parse('cats'), { clock })
  t.match(found, { resolved: 'remote', local: true, asOf: clock().toISOString() })
  const offline = await resolveVersion(here, null, parse('cats'))
  t.match(offline, { resolved: 'local', asOf: clock().toISOString() })
  t.same(journal(), before)
})

t.test('an alias that went back to a version that is here goes back offline, too', async t => {
  const { here, there, remote, pull } = openPair(t)
  const old = await logFiles(there, { 'a.txt': '0' }, { aliases: ['best'] })
  await pull('cats')
  const next = await logFiles(there, { 'a.txt': '1' }, { aliases: ['best'] })
  await pull('cats:best')
  t.equal((await resolveVersion(here, null, parse('cats:best'))).version.id, next.id)
  const logId = 'a'.repeat(32)
  await there.catalog.moveAliases({ logId, versionId: old.id, aliases: ['best'] })
  t.match(await resolveVersion(here, remote, parse('cats:best')), { local: true })
  t.equal((await resolveVersion(here, null, parse('cats:best'))).version.id, old.id)
})

t.test('a remote cannot put another version under an id that is here', async t => {
  const { here, there, remote, pull } = openPair(t)
  await logFiles(there, { 'a.txt': '0' })
  const { version } = await pull('cats')
  const find = remote.findVersion.bind(remote)
  remote.findVersion = async (...args) => {
    const answer = await find(...args)
    return { ...answer, version: { ...answer.version, digest: 'f'.repeat(32) } }
  }
  const found = await resolveVersion(here, remote, parse('cats'))
  t.match(found, { resolved: 'local', version: { digest: version.digest } })
  t.equal((await here.catalog.getVersion(version.id))?.digest, version.digest)
})

t.test('a name that neither has is not found', async t => {
  const { here, there, remote } = openPair(t)
  await logFiles(there, { 'a.txt': '0' })
  await t.rejects(resolveVersion(here, remote, parse('dogs')), { code: 'ARTIFACT_NOT_FOUND' })
  await t.rejects(resolveVersion(here, remote, parse('cats:v7')), { code: 'VERSION_NOT_FOUND' })
  await t.rejects(resolveVersion(here, null, parse('cats')), { code: 'ARTIFACT_NOT_FOUND' })
})

t.test('a remote that answers another version than asked is REMOTE_INVALID', async t => {
  const { here, there, remote } = openPair(t)
  await logFiles(there, { 'a.txt': '0' })
  await logFiles(there, { 'a.txt': '0' }, { name: 'dogs' })
  const find = remote.findVersion.bind(remote)
  remote.findVersion = (collection, ...rest) => find({ ...collection, name: 'dogs' }, ...rest)
  await t.rejects(resolveVersion(here, remote, parse('cats')), { code: 'REMOTE_INVALID' })
})

t.test('an aborted question rejects with INTERRUPTED, also when the answer is here', async t => {
  const { here, there, remote, pull } = openPair(t)
  await logFiles(there, { 'a.txt': '0' })
  await pull('cats')
  const signal = AbortSignal.abort()
  await t.rejects(resolveVersion(here, remote, parse('cats'), { signal }), { code: 'INTERRUPTED' })
})
