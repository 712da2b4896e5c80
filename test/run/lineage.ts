import { join } from 'node:path'
import t from 'tap'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { openWorkspace, syncWorkspace } from '../../src/artifact/workspace.js'
import {
  Artifact,
  ArtifactError,
  type ErrorCode,
  type InitOptions,
  init,
  type Run,
} from '../../src/index.js'
import { readSettings } from '../../src/store/settings.js'

/** Logs one file under a name. */
async function log(run: Run, name: string, content: string, home?: string) {
  const artifact = new Artifact({ name, type: 'dataset', ...(home && { home }) })
  await artifact.newFile('a.txt', content)
  return run.logArtifact(artifact)
}

const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id).sort()

t.test('offline, runs know their inputs and outputs, and versions their runs', async t => {
  useHome(t)
  const producer = await init({ project: 'p', name: 'producer', jobType: 'load' })
  const raw = await log(producer, 'raw', 'raw')
  await producer.finish()
  t.same(await raw.loggedBy(), producer.info)
  t.same(await raw.usedBy(), [])

  const trainer = await init({ project: 'q', jobType: 'train', group: 'g' })
  const used = await trainer.useArtifact('p/raw:latest')
  for (let n = 0; n < 20; n += 1) await trainer.useArtifact(n % 2 ? 'p/raw:v0' : 'p/raw')
  const model = await log(trainer, 'model', 'model')
  await trainer.finish()

  t.same(await used.usedBy(), [trainer.info])
  t.same(await used.loggedBy(), producer.info)
  t.same(idsOf(await trainer.usedArtifacts()), [raw.id])
  t.same(
    (await trainer.loggedArtifacts()).map(({ qualifiedName }) => qualifiedName),
    ['default/q/model:v0'],
  )
  t.same(await producer.usedArtifacts(), [])
  t.same(await model.loggedBy(), trainer.info)
  const uses = (await sharedStore(process.env.ARTIFACT_HOME!).catalog.listPending()).items.filter(
    ({ kind }) => kind === 'use',
  )
  t.equal(uses.length, 1, 'twenty uses are recorded once')
})

t.test('content that is there already is logged by both runs', async t => {
  useHome(t)
  const first = await init({ project: 'p' })
  const logged = await log(first, 'cats', 'same')
  const second = await init({ project: 'p' })
  const again = await log(second, 'cats', 'same')
  await again.committed
  t.equal(again.unchanged, true)
  t.same(idsOf(await second.loggedArtifacts()), [logged.id])
  t.same(idsOf(await first.loggedArtifacts()), [logged.id])
  t.same(await again.loggedBy(), first.info, 'the first run made the version')
  const draft = new Artifact({ name: 'alone', type: 'dataset' })
  const saved = await draft.save({ project: 'p' })
  t.equal(await saved.loggedBy(), null)
})

t.test('runs of a group logged the version that they built together', async t => {
  useHome(t)
  const runs = [await init({ project: 'p', group: 'g' }), await init({ project: 'p', group: 'g' })]
  for (const [index, run] of runs.entries()) {
    const part = new Artifact({ name: 'parts', type: 'dataset' })
    await part.newFile(`${index}.txt`, `${index}`)
    run.upsertArtifact(part)
  }
  t.same(await runs[0]!.loggedArtifacts(), [], 'nothing is logged before it is finished')
  const whole = runs[1]!.finishArtifact(new Artifact({ name: 'parts', type: 'dataset' }))
  await Promise.all([whole.committed, runs[0]!.finish()])
  for (const run of runs) t.same(idsOf(await run.loggedArtifacts()), [whole.id])
})

t.test('synced, the lineage is seen from another store, and offline what that has', async t => {
  const { folder, home } = useHome(t)
  const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const remote = server.url
  const sync = async (at: string) => {
    const settings = { ...readSettings(process.env, { home: at }), remote }
    const { failed, errors, pending } = await syncWorkspace(openWorkspace(settings), {})
    t.same({ failed, errors, pending }, { failed: [], errors: [], pending: 0 })
  }
  const elsewhere = join(folder, 'elsewhere')
  t.teardown(() => sharedStore(elsewhere).close())
  const there = (options: InitOptions = {}) =>
    init({ project: 'q', home: elsewhere, remote, ...options })

  const producer = await init({ project: 'p', remote })
  const raw = await log(producer, 'raw', 'raw')
  await producer.finish()
  await sync(home)

  // It has nothing of the version, and uses it.
  const user = await there()
  await user.useArtifact('p/raw')
  const model = await log(user, 'model', 'model', elsewhere)
  await user.finish()
  await model.committed
  t.same(idsOf(await raw.usedBy()), [], 'it is not sent yet')
  const asker = await there({ mode: 'offline' })
  await sync(elsewhere)
  t.same(await raw.usedBy(), [user.info])

  const waiting = await there()
  await waiting.useArtifact('p/raw')
  await waiting.finish({ wait: true })
  t.same(idsOf(await raw.usedBy()), idsOf([user.info, waiting.info]), 'a use is waited for too')

  const third = await there()
  const found = await third.useArtifact('p/raw')
  await third.finish()
  t.same(await found.loggedBy(), producer.info)
  const both = idsOf([user, waiting, third])
  t.same(idsOf(await found.usedBy()), both, 'some are there, one is recorded here')
  await t.rejects(asker.useArtifact('p/raw'), { code: 'ARTIFACT_NOT_FOUND' })
  const offline = await asker.useArtifact('q/model')
  t.same(await offline.loggedBy(), user.info)

  await server.close()
  t.same(idsOf(await raw.usedBy()), [], 'without the remote, what is known here')
})

t.test(
  'finish rejects when a use could not be recorded; a read-only store records none',
  async t => {
    const { home } = useHome(t)
    const run = await init({ project: 'p' })
    await (await log(run, 'raw', 'raw')).committed
    const { catalog } = sharedStore(home)
    const failing = (code: ErrorCode) => {
      catalog.use = () => Promise.reject(new ArtifactError(code, 'not recorded'))
    }
    failing('STORE_FULL')
    const full = await init({ project: 'p' })
    t.equal((await full.useArtifact('raw')).version, 'v0')
    await t.rejects(full.finish(), { code: 'STORE_FULL' })
    failing('STORE_READ_ONLY')
    const reader = await init({ project: 'p' })
    const version = await reader.useArtifact('raw')
    await reader.finish()
    t.same(idsOf(await reader.usedArtifacts()), [version.id])
  },
)
