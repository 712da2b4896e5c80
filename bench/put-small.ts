/**
 * `artifact put` of 50,000 files of 10 KiB in 100 folders, as a command, durable: into a new store,
 * again with nothing changed, and again after 1 % of the files changed; beside what others take for
 * the same (a copy, restic, borg, git; DVC and W&B of a virtual environment).
 *
 *     node dist/bench/put-small.js [--rounds 5] [--files 50000] [--venv DIR]
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeEvenTree, seededBytes } from '../fixtures/make-even-tree.js'
import {
  describeMachine,
  makeWorkFolder,
  Results,
  readOptions,
  runArtifact,
  runShell,
  warm,
} from './harness.js'
import { findPeers, type Peer, preparePeer } from './peers.js'

const SIZE = 10 * 1024
const FOLDERS = 100

const { rounds, files, venv } = readOptions({ files: 50_000 })
const work = makeWorkFolder('put-small')
const tree = join(work.path, 'tree')
makeEvenTree(tree, { files, size: SIZE, folders: FOLDERS })
runShell('sync')

/** Gives every hundredth file another content of the same length. */
function changeTree(seed: string): void {
  const bytes = seededBytes(seed, SIZE)
  for (let index = 0; index < files; index += 100) {
    bytes.writeUInt32LE(index, 0)
    writeFileSync(join(tree, `d${index % FOLDERS}`, `f${index}.bin`), bytes)
  }
  runShell('sync')
}

const results = { first: new Results(), again: new Results(), changed: new Results() }
const peers = findPeers(venv)
const ours = (folder: string) => () =>
  runArtifact(['put', tree, '-n', 'bench', '--json'], { ARTIFACT_HOME: join(folder, 'home') })
const theirs = (peer: Peer, folder: string) => {
  let time = 0
  return () => peer.store(folder, tree, time++)
}

for (let round = 0; round < rounds; round += 1) {
  const folder = join(work.path, `round-${round}`)
  mkdirSync(folder)
  const tools = [
    { name: 'artifact put', store: ours(folder) },
    ...peers.map(peer => ({
      name: peer.name,
      store: theirs(peer, preparePeer(peer, folder)),
    })),
  ]
  for (const { name, store } of tools) {
    warm(tree)
    results.first.add(name, store())
    results.again.add(name, store())
    changeTree(`${round} ${name}`)
    results.changed.add(name, store())
  }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

console.log(`${files} files of 10 KiB; ${rounds} rounds; ${describeMachine()}`)
const bases = ['cp -r + sync', 'restic', 'borg', 'git add']
console.log(`\nnew store\n\n${results.first.format(bases)}`)
console.log(`\nagain, nothing changed\n\n${results.again.format(bases)}`)
console.log(`\nagain, 1 % changed\n\n${results.changed.format(bases)}`)
work.remove()
