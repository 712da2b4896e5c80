/**
 * Five successive releases of the npm package `typescript`, unpacked, as five versions of one
 * artifact: bytes sent to a server on loopback, and bytes that it keeps.
 *
 *     npm run build && node dist/bench/releases.js
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describeMachine, makeWorkFolder, runArtifact, startServer } from './harness.js'

const RELEASES = ['5.5.4', '5.6.3', '5.7.3', '5.8.3', '5.9.2']

const work = makeWorkFolder('releases')
const data = join(work.path, 'server')
const server = await startServer(data)
try {
  const env = { ARTIFACT_HOME: join(work.path, 'home'), ARTIFACT_REMOTE: server.url }
  const sums = { plain: 0, sent: 0, requests: 0 }
  console.log(`${describeMachine()}\n`)
  console.log('| after | MiB | put, s | sync, s | requests | sent, MiB | kept, MiB |')
  console.log('|---|---|---|---|---|---|---|')
  for (const release of RELEASES) {
    const folder = unpackRelease(release)
    sums.plain += bytesBelow(folder)
    const put = runArtifact(['put', folder, '-n', 'typescript', '--json'], env)
    const sync = runArtifact(['sync', '--json'], env)
    const { wireBytes, requests } = JSON.parse(sync.stdout)
    sums.sent += wireBytes
    sums.requests += requests
    const times = [put, sync].map(({ seconds }) => seconds.toFixed(2))
    const bytes = [sums.sent, bytesBelow(data)].map(mib)
    const cells = [release, mib(sums.plain), ...times, sums.requests, ...bytes]
    console.log(`| ${cells.join(' | ')} |`)
  }
} finally {
  await server.stop()
  work.remove()
}

/** Through npm, as anybody gets it. */
function unpackRelease(release: string): string {
  const folder = join(work.path, release)
  mkdirSync(folder)
  const command = `npm pack --silent typescript@${release} && tar xzf *.tgz && rm *.tgz`
  const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
  return folder
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
