/**
 * `artifact get` into a new folder, as a command, every byte verified: of 50,000 files of 10 KiB,
 * beside `cp -r` of the same tree, from the store and from a server on loopback; and of one file of
 * 2 GiB, by each way to link, as a command and as a call within a program. Clones need a file system that makes them: name a folder on one, of
 * XFS or Btrfs, in BENCH_DIR.
 *
 *     node dist/bench/get.js [--rounds 5] [--files 50000] [--mib 2048]
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeEvenTree } from '../fixtures/make-even-tree.js'
import { runNode } from '../fixtures/run-node.js'
import { LINK_MODES } from '../src/store/object-linker.js'
import {
  CLI,
  describeMachine,
  makeLargeFile,
  makeWorkFolder,
  Results,
  readOptions,
  runArtifact,
  runShell,
  startServer,
  warm,
} from './harness.js'

const DOWNLOADER = fileURLToPath(new URL('./download-once.js', import.meta.url))

const { rounds, files, mib } = readOptions({ files: 50_000, mib: 2048 })
const work = makeWorkFolder('get')
const tree = join(work.path, 'tree')
const large = join(work.path, 'large')
makeEvenTree(tree, { files, size: 10 * 1024, folders: 100 })
runShell('sync')
mkdirSync(large)
makeLargeFile(join(large, 'large.bin'), mib)

/** Large files only: on ext4 new files are slow to come where many were deleted shortly before. */
const drop = (path: string) => rmSync(path, { recursive: true, force: true })

const small = new Results()
const linked = new Results()
for (let round = 0; round < rounds; round += 1) {
  const folder = join(work.path, `round-${round}`)
  mkdirSync(folder)
  const server = await startServer(join(folder, 'server'))
  const env = (home: string) => ({
    ARTIFACT_HOME: join(folder, home),
    ARTIFACT_REMOTE: server.url,
    // What works on beside the next step, and in a folder that is removed, is not measured.
    ARTIFACT_DAEMON: 'never',
  })
  const get = (name: string, home: string, out: string, ...more: string[]) =>
    runArtifact(['get', name, '--root', join(folder, out), '--json', ...more], env(home))
  try {
    warm(tree)
    small.add('cp -r', runShell(`cp -r '${tree}' '${folder}/copy'`))
    runArtifact(['put', tree, '-n', 'tree', '--json'], env('home'))
    small.add('get', get('tree', 'home', 'out'))
    small.add('sync', runArtifact(['sync', '--json'], env('home')))
    small.add('get, from the server', get('tree', 'elsewhere', 'fetched'))

    warm(large)
    const copy = 'cp -r --reflink=never'
    linked.add(copy, runShell(`${copy} '${large}' '${folder}/copy-large'`))
    linked.add('process start', runShell(`'${process.execPath}' '${CLI}' --version`))
    for (const link of LINK_MODES) {
      // Stores of their own: what another link exposed would be hashed.
      for (const home of [link, `${link}-program`]) {
        runArtifact(['put', large, '-n', 'large', '--json'], env(home))
        runArtifact(['sync', '--json'], env(home))
      }
      linked.add(`get --link ${link}`, get('large', link, `out-${link}`, '--link', link))
      const verified = get('large', link, `verified-${link}`, '--link', link, '--verify')
      linked.add(`get --link ${link} --verify`, verified)
      const program = [DOWNLOADER, join(folder, `program-${link}`), link]
      const ended = await runNode(program, { env: env(`${link}-program`) })
      if (ended.code !== 0) throw new Error(ended.stderr)
      linked.add(`download({ link: '${link}' })`, Number(ended.stdout))
      const used = [link, `${link}-program`, `out-${link}`, `verified-${link}`, `program-${link}`]
      for (const name of used) drop(join(folder, name))
    }
    drop(join(folder, 'copy-large'))
  } finally {
    await server.stop()
  }
  drop(join(folder, 'server', 'objects'))
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

console.log(`${rounds} rounds; ${describeMachine()}`)
console.log(`\n${files} files of 10 KiB\n\n${small.format(['cp -r'])}`)
console.log(`\none file of ${mib} MiB\n\n${linked.format(['cp -r --reflink=never'])}`)
work.remove()
