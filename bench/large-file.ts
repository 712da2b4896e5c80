/**
 * One large file of random bytes: `put` and `sync` as commands; then with 1 MiB appended, and with
 * 1 MiB inserted in the middle; and `get` of the three elsewhere, one after another.
 *
 *     npm run build && node dist/bench/large-file.js [MIB]
 */
import { randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describeMachine, makeWorkFolder, runArtifact, runShell, startServer } from './harness.js'

const MIB = 2 ** 20
const size = Number(process.argv[2] ?? 1024)

const work = makeWorkFolder('large-file')
const data = join(work.path, 'server')
const server = await startServer(data)
try {
  const here = { ARTIFACT_HOME: join(work.path, 'home'), ARTIFACT_REMOTE: server.url }
  const elsewhere = { ARTIFACT_HOME: join(work.path, 'elsewhere'), ARTIFACT_REMOTE: server.url }
  const files = makeFiles(join(work.path, 'files'))
  console.log(`${size} MiB; ${describeMachine()}\n`)
  console.log(
    '| file | put, s | sync, s | × put | sent, MiB | kept, MiB | get, s | received, MiB | peak MiB: sync, get |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|')
  let kept = 0
  for (const [name, path] of files) {
    // What "get" left to be written is not for "put" to wait for.
    runShell('sync')
    const put = runArtifact(['put', path, '-n', 'large', '--json'], here)
    const sync = runArtifact(['sync', '--json'], here)
    const before = kept
    kept = bytesBelow(data)
    const root = join(work.path, `out-${name}`)
    const get = runArtifact(['get', 'large', '--root', root, '--json'], elsewhere)
    const { wireBytes } = JSON.parse(sync.stdout)
    const { downloadedBytes } = JSON.parse(get.stdout)
    const cells = [name, put.seconds.toFixed(2), sync.seconds.toFixed(2)]
    cells.push((sync.seconds / put.seconds).toFixed(1), mib(wireBytes), mib(kept - before))
    cells.push(get.seconds.toFixed(2), mib(downloadedBytes))
    cells.push(`${Math.round(sync.peakMiB)}, ${Math.round(get.peakMiB)}`)
    console.log(`| ${cells.join(' | ')} |`)
  }
} finally {
  await server.stop()
  work.remove()
}

function makeFiles(folder: string): Map<string, string> {
  mkdirSync(folder)
  const first = join(folder, 'first')
  const block = Buffer.alloc(MIB)
  const files = new Map([['first', first]])
  write(first, size, () => randomFillSync(block))
  for (const [name, at] of [
    ['appended', size],
    ['inserted', size >> 1],
  ] as const) {
    const path = join(folder, name)
    const source = openSync(first, 'r')
    write(path, size + 1, index => {
      if (index === at) return randomFillSync(block)
      readSync(source, block, 0, MIB, (index - (index > at ? 1 : 0)) * MIB)
      return block
    })
    closeSync(source)
    files.set(name, path)
  }
  return files
}

function write(path: string, blocks: number, next: (index: number) => Buffer): void {
  const fd = openSync(path, 'w')
  for (let index = 0; index < blocks; index += 1) writeSync(fd, next(index))
  closeSync(fd)
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(2)
}
