import { join } from 'node:path'
import t from 'tap'
import { logMerged } from '../../fixtures/run/log-merged.js'
import { readAcknowledged, startUpserts } from '../../fixtures/run/start-upserts.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'
import { init } from '../../src/index.js'

const { folder } = useHome(t)
const MACHINES = 8
const UPSERTS = 200

t.test('32 writers on eight machines, 200 upserts each', { timeout: 480_000 }, async t => {
  const { url } = await serveProcess(t, join(folder, 'server'))
  const env = { ARTIFACT_REMOTE: url, ARTIFACT_MODE: 'offline', ARTIFACT_PROJECT: 'p' }
  const homes = Array.from({ length: MACHINES }, (_, index) => join(folder, `machine-${index}`))
  const ends = await Promise.all(
    homes.map((home, index) => {
      const writers = { first: index * 4, writers: 4, upserts: UPSERTS, ahead: 20 }
      return startUpserts({ home, group: 'g', ...writers, env }).ended
    }),
  )
  for (const { code, stderr } of ends) t.match({ code, stderr }, { code: 0, stderr: '' })
  const clis = homes.map(home => cliIn(folder, home, env))
  // The last machine syncs its parts and its finish together, when the others are done.
  const [first, ...others] = clis
  for (const { code, json } of await Promise.all(others.map(cli => cli(['sync', '--json'])))) {
    t.match({ code, pending: json.pending }, { code: 0, pending: 0 })
    t.equal(json.synced.length, 4 * UPSERTS)
  }
  await first!(['finish', 'parts', '--group', 'g'])
  t.match(await first!(['sync', '--json']), { code: 0, json: { pending: 0, failed: [] } })

  const run = await init({ project: 'p', remote: url, mode: 'online' })
  const version = await run.useArtifact('parts')
  const acknowledged = ends.flatMap(({ stdout }) => readAcknowledged(stdout))
  t.equal(acknowledged.length, 32 * UPSERTS)
  const expected = acknowledged.flatMap(name => [`${name}.bin`, `${name}.txt`]).sort()
  const paths: string[] = []
  for await (const { path } of version.entries()) paths.push(path)
  t.same(paths, expected, 'nothing is lost, and nothing twice')

  const logged = await logMerged(run, 'merged', acknowledged)
  t.equal(version.digest, logged.digest, 'the digest is that of the merged manifest')
})
