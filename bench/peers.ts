import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { runShell } from './harness.js'

/** Another tool that keeps versions of a folder or file, durably when the step is over. */
export interface Peer {
  name: string
  /** Makes what it keeps things in, below a new folder; not measured. */
  prepare(folder: string): void
  /** @returns the seconds of storing `source` for the `time`th time. */
  store(folder: string, source: string, time: number): number
}

const isInstalled = (program: string) =>
  spawnSync('sh', ['-c', `command -v '${program}'`]).status === 0

/** `cp -r` into a new folder each time: it knows no "again". */
const copy: Peer = {
  name: 'cp -r + sync',
  prepare: () => {},
  store: (folder, source, time) => runShell(`cp -r '${source}' '${folder}/${time}' && sync`),
}

const restic: Peer = {
  name: 'restic',
  prepare: folder => void runShell(`restic -q -r '${folder}/repo' init`, resticEnv(folder)),
  store: (folder, source) =>
    runShell(`restic -q -r '${folder}/repo' backup '${source}' && sync`, resticEnv(folder)),
}
const resticEnv = (folder: string) => ({
  RESTIC_PASSWORD: 'bench',
  RESTIC_CACHE_DIR: join(folder, 'cache'),
})

const borg: Peer = {
  name: 'borg',
  prepare: folder => void runShell(`borg init -e none '${folder}/repo'`, borgEnv(folder)),
  store: (folder, source, time) =>
    runShell(`borg create '${folder}/repo::a${time}' '${source}' && sync`, borgEnv(folder)),
}
const borgEnv = (folder: string) => ({
  BORG_BASE_DIR: folder,
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
})

const git: Peer = {
  name: 'git add',
  prepare: folder => void runShell(`git init -q --bare '${folder}/repo'`),
  store: (folder, source) => {
    const tree = isFile(source) ? dirname(source) : source
    const what = isFile(source) ? basename(source) : '-A'
    return runShell(`git --git-dir='${folder}/repo' --work-tree='${tree}' add '${what}' && sync`)
  },
}

function isFile(path: string): boolean {
  return spawnSync('test', ['-f', path]).status === 0
}

/** DVC keeps what lies in its own folder: a copy, made before the clock runs. */
const dvc = (venv: string): Peer => ({
  name: 'DVC',
  prepare: folder => void runShell(`cd '${folder}' && '${venv}/bin/dvc' init -q --no-scm`),
  store: (folder, source) => {
    runShell(`rm -rf '${folder}/data' && cp -rp '${source}' '${folder}/data' && sync`)
    return runShell(`cd '${folder}' && '${venv}/bin/dvc' add -q data && sync`)
  },
})

const LOG = `
import os, sys, wandb
run = wandb.init(mode="offline", project="bench", dir=sys.argv[2])
artifact = wandb.Artifact("bench", "dataset")
add = artifact.add_dir if os.path.isdir(sys.argv[1]) else artifact.add_file
add(sys.argv[1])
run.log_artifact(artifact)
run.finish()
`

const wandb = (venv: string): Peer => ({
  name: 'W&B, offline',
  prepare: folder => writeFileSync(join(folder, 'log.py'), LOG),
  store: (folder, source) =>
    runShell(`'${venv}/bin/python' '${folder}/log.py' '${source}' '${folder}' && sync`, {
      WANDB_SILENT: 'true',
      WANDB_CACHE_DIR: join(folder, 'cache'),
      WANDB_DATA_DIR: join(folder, 'data'),
      WANDB_CONFIG_DIR: join(folder, 'config'),
    }),
})

/**
 * The peers that are here; those that are not are named on standard error.
 * @param venv a virtual environment with DVC and W&B.
 */
export function findPeers(venv: string | undefined): Peer[] {
  const installed: [string, Peer][] = [
    ['cp', copy],
    ['restic', restic],
    ['borg', borg],
    ['git', git],
  ]
  if (venv) {
    installed.push([join(venv, 'bin/dvc'), dvc(venv)], [join(venv, 'bin/wandb'), wandb(venv)])
  } else {
    process.stderr.write('DVC and W&B are left out: no --venv\n')
  }
  return installed.flatMap(([program, peer]) => {
    if (isInstalled(program)) return peer
    process.stderr.write(`${peer.name} is left out: no ${program}\n`)
    return []
  })
}

/** A folder for one peer in one round. */
export function preparePeer(peer: Peer, round: string): string {
  const folder = join(round, peer.name.replace(/\W+/g, '-'))
  mkdirSync(folder, { recursive: true })
  peer.prepare(folder)
  return folder
}
