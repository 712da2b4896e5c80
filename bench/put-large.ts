/**
 * `artifact put` of one file of 2 GiB into a new store, as a command, durable, and again with
 * nothing changed; beside what others take, and beside reading and hashing the file. Then the peak
 * memory of one put of 8 GiB.
 *
 *     node dist/bench/put-large.js [--rounds 5] [--mib 2048] [--memory 8192] [--venv DIR]
 */
import { closeSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createHasher } from '../src/hash/hasher.js'
import {
  describeMachine,
  makeLargeFile,
  makeWorkFolder,
  Results,
  readOptions,
  runArtifact,
  warm,
} from './harness.js'
import { findPeers, preparePeer } from './peers.js'

const { rounds, mib, memory, venv } = readOptions({ mib: 2048, memory: 8192 })
const work = makeWorkFolder('put-large')
const source = join(work.path, 'large.bin')
makeLargeFile(source, mib)

/** Reads and hashes the file in this process: what no store can be faster than. */
async function hashFile(path: string): Promise<number> {
  const hasher = await createHasher('xxh128')
  const buffer = Buffer.allocUnsafeSlow(4 * 2 ** 20)
  const started = process.hrtime.bigint()
  const fd = openSync(path, 'r')
  hasher.init()
  for (let read = 1; read > 0; ) {
    read = readSync(fd, buffer)
    hasher.update(buffer.subarray(0, read))
  }
  closeSync(fd)
  hasher.digest()
  return Number(process.hrtime.bigint() - started) / 1e9
}

const put = (path: string, home: string) =>
  runArtifact(['put', path, '-n', 'bench', '--json'], { ARTIFACT_HOME: home })

const results = { first: new Results(), again: new Results() }
const peers = findPeers(venv)
for (let round = 0; round < rounds; round += 1) {
  const folder = join(work.path, `round-${round}`)
  mkdirSync(folder)
  warm(source)
  results.first.add('artifact put', put(source, join(folder, 'home')))
  results.again.add('artifact put', put(source, join(folder, 'home')))
  for (const peer of peers) {
    const repository = preparePeer(peer, folder)
    warm(source)
    results.first.add(peer.name, peer.store(repository, source, 0))
    results.again.add(peer.name, peer.store(repository, source, 1))
  }
  results.first.add('read and hash alone', await hashFile(source))
  // A round keeps as many copies as there are tools.
  rmSync(folder, { recursive: true })
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

console.log(`one file of ${mib} MiB; ${rounds} rounds; ${describeMachine()}`)
const bases = ['cp -r + sync', 'read and hash alone', 'restic', 'borg']
console.log(`\nnew store\n\n${results.first.format(bases)}`)
console.log(`\nagain, nothing changed\n\n${results.again.format(bases)}`)

rmSync(source)
const huge = join(work.path, 'huge.bin')
makeLargeFile(huge, memory)
const { seconds, peakMiB } = put(huge, join(work.path, 'home'))
console.log(`\none file of ${memory} MiB: peak ${peakMiB.toFixed(0)} MiB, ${seconds.toFixed(1)} s`)
work.remove()
