import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { logMerged } from '../../fixtures/run/log-merged.js'
import { readAcknowledged, startUpserts } from '../../fixtures/run/start-upserts.js'
import { runCli } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { init } from '../../src/index.js'

const { home } = useHome(t)

/** The upserts that a version holds, each of which must be there whole. */
async function listUpserts(name: string): Promise<string[]> {
  const run = await init({ project: 'p' })
  const version = await run.useArtifact(name)
  t.same((await version.verify()).problems, [])
  const paths = await listEntries(version)
  t.equal(new Set(paths).size, paths.length, 'nothing is there twice')
  const names = paths.map(path => path.replace(/\.(txt|bin)$/, ''))
  const upserts = [...new Set(names)]
  t.equal(paths.length, upserts.length * 2, 'every upsert is whole')
  return upserts.sort()
}

const finish = (group: string, ...more: string[]) =>
  runCli(['finish', 'p/parts', '--group', group, '--json', ...more], {
    env: { ARTIFACT_HOME: home },
  })

t.test('a writer that is killed in the middle of an upsert leaves nothing of it', async t => {
  const killed = startUpserts({ home, group: 'killed', writers: 3, upserts: 0 })
  const whole = startUpserts({ home, group: 'killed', first: 3, writers: 1, upserts: 10 })
  await killed.sees(/^[012] 5$/m)
  killed.child.kill('SIGKILL')
  const acknowledged = [
    ...readAcknowledged((await killed.ended).stdout),
    ...readAcknowledged((await whole.ended).stdout),
  ]
  t.match(await finish('killed', '-a', 'killed'), { code: 0, json: { type: 'dataset' } })
  const upserts = await listUpserts('parts:killed')
  t.same(
    acknowledged.filter(name => !upserts.includes(name)),
    [],
    'what was durable is in',
  )
  const more = upserts.filter(name => !acknowledged.includes(name))
  t.ok(more.length <= 3, 'of each writer at most the one that it was not told of is in too')
})

t.test('a finish while writers go on: an upsert is in, or it is refused', async t => {
  const writers = [0, 2].map(first =>
    startUpserts({ home, group: 'going', first, writers: 2, upserts: 0 }),
  )
  for (const { sees } of writers) await sees(/^\d 3$/m)
  t.match(await finish('going', '-a', 'going'), { code: 0 })
  const ends = await Promise.all(writers.map(({ ended }) => ended))
  const acknowledged = ends.flatMap(({ stdout }) => readAcknowledged(stdout))
  t.same(await listUpserts('parts:going'), acknowledged.sort())
  const refused = ends.flatMap(({ stdout }) => stdout.match(/^refused .*$/gm) ?? [])
  t.equal(refused.length, 4)
  for (const line of refused) t.match(line, /ARTIFACT_FINALIZED$/)
})

t.test('of several finishes at once one makes the version, and all have its answer', async t => {
  const { ended } = startUpserts({ home, group: 'race', writers: 2, upserts: 20 })
  await ended
  const answers = await Promise.all(['a', 'b', 'c'].map(alias => finish('race', '-a', alias)))
  for (const { code, json } of answers) {
    t.match({ code, ...json }, { code: 0, id: answers[0]!.json.id, version: /^v\d+$/ })
    t.equal(json.version, answers[0]!.json.version)
    t.equal(json.digest, answers[0]!.json.digest)
  }
  const run = await init({ project: 'p' })
  for (const alias of ['a', 'b', 'c']) {
    t.equal((await run.useArtifact(`parts:${alias}`)).id, answers[0]!.json.id)
  }
  t.equal((await listUpserts('parts:a')).length, 40)
})

t.test('what a finish that died left is finished by the next', async t => {
  const { ended } = startUpserts({ home, group: 'dead', writers: 1, upserts: 3 })
  await ended
  const { catalog } = sharedStore(home)
  const name = { entity: 'default', project: 'p', name: 'parts', distributedId: 'dead' }
  await catalog.closeOpen(name)
  await catalog.closeOpen(name)
  const refused = startUpserts({ home, group: 'dead', first: 1, writers: 1, upserts: 1 })
  t.match(await refused.ended, { stdout: /refused 1 0 ARTIFACT_FINALIZED/ })
  t.match(await finish('dead', '-a', 'dead'), { code: 0 })
  t.same(await listUpserts('parts:dead'), ['0/0', '0/1', '0/2'])
})

t.test('32 writers in eight processes, 200 upserts each', { timeout: 240_000 }, async t => {
  const upserts = 200
  const processes = Array.from({ length: 8 }, (_, index) =>
    startUpserts({ home, group: 'all', first: index * 4, writers: 4, upserts, ahead: 20 }),
  )
  const ends = await Promise.all(processes.map(({ ended }) => ended))
  for (const { code, stderr } of ends) t.match({ code, stderr }, { code: 0, stderr: '' })
  const { catalog } = sharedStore(home)
  const open = { entity: 'default', project: 'p', name: 'parts', distributedId: 'all' }
  t.match(await catalog.findOpen(open), { parts: 32 * upserts, closed: false })
  const finished = await finish('all', '-a', 'all')
  t.match(finished, { code: 0, json: { fileCount: 32 * upserts * 2 } })
  const acknowledged = ends.flatMap(({ stdout }) => readAcknowledged(stdout))
  t.equal(acknowledged.length, 32 * upserts)
  t.same(await listUpserts('parts:all'), acknowledged.sort())

  const run = await init({ project: 'merged' })
  const logged = await logMerged(run, 'parts', acknowledged)
  t.equal(finished.json.digest, logged.digest, 'the digest is that of the merged manifest')
})
